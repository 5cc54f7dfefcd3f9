{
  "targets": [{
    "target_name": "dctstream_mpi",
    "sources": ["binding.cc", "communicator.cc"],
    "include_dirs": ["../../../../node_modules/node-addon-api"],
    "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED", "OMPI_SKIP_MPICXX"],
    "cflags_cc!": ["-fno-rtti", "-std=gnu++17"],
    "cflags_cc": ["-std=c++17", "-O2", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unused-parameter", "<!@(mpicxx --showme:compile)"],
    "libraries": ["<!@(mpicxx --showme:link)"]
  }]
}
