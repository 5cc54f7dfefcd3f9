# What node-gyp reads of a Node's headers, for a Node that was installed without them: the flags that its own file gives addons on Linux.
{
  "target_defaults": {
    "default_configuration": "Release",
    "configurations": {
      "Debug": { "cflags": ["-g", "-O0"] },
      "Release": { "cflags": ["-O3", "-fno-omit-frame-pointer"] }
    },
    "defines": ["_GLIBCXX_USE_CXX11_ABI=1", "_FILE_OFFSET_BITS=64", "_LARGEFILE_SOURCE", "__STDC_FORMAT_MACROS"],
    "cflags": ["-fPIC", "-pthread", "-Wall", "-Wextra", "-Wno-unused-parameter"],
    "cflags_cc": ["-fno-rtti", "-fno-exceptions", "-std=gnu++17"],
    "ldflags": ["-pthread", "-rdynamic"]
  }
}
