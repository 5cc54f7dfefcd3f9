{
  "variables": { "tensorflow": "<(module_root_dir)/../../../../node_modules/@tensorflow/tfjs-node-gpu/deps" },
  "targets": [{
    "target_name": "dctstream_kernels",
    "sources": ["registration.cc", "batch_norm.cc", "max_pool.cc", "momentum.cc", "threads.cc"],
    "include_dirs": ["<(tensorflow)/include"],
    "cflags_cc!": ["-fno-rtti", "-std=gnu++17"],
    "cflags_cc": ["-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-psabi"],
    "library_dirs": ["<(tensorflow)/lib"],
    "libraries": ["-ltensorflow_framework", "-Wl,-rpath,\\$$ORIGIN/../../../../../../node_modules/@tensorflow/tfjs-node-gpu/deps/lib"]
  }]
}
