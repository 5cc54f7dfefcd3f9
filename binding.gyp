{
  "targets": [{
    "target_name": "dctstream",
    "sources": [
      "src/native/binding.cc", "src/native/binding_views.cc", "src/native/batch.cc", "src/native/rebuild.cc", "src/native/compose.cc", "src/native/sample_reader.cc", "src/native/baseline.cc", "src/native/scan_header.cc", "src/native/streams.cc",
      "src/native/jpeg_session.cc", "src/native/pixels.cc", "src/native/resize.cc", "src/native/lock.cc", "src/native/deadline.cc",
      "src/native/huffman_tables.cc", "src/native/image_reader.cc",
      "src/native/jpeg.cc", "src/native/encode.cc", "src/native/scan.cc", "src/native/scan_order.cc",
      "src/native/pack.cc", "src/native/expand.cc", "src/native/view.cc", "src/native/resample.cc", "src/native/crc32c.cc",
      "src/native/frequency_stats.cc", "src/native/simd.cc", "src/native/status.cc"
    ],
    "include_dirs": ["node_modules/node-addon-api"],
    "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
    "cflags!": ["-fno-exceptions"],
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17"],
    "cflags_cc": ["-std=c++17", "-O3", "-fexceptions", "-fno-math-errno", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-maybe-uninitialized", "-Wno-uninitialized", "-Wno-psabi"],
    # popcnt and SSE4 everywhere, which every 64-bit processor since 2009 has; more is chosen at run time.
    "conditions": [["target_arch=='x64'", { "cflags_cc": ["-march=x86-64-v2"] }]],
    "libraries": ["-ljpeg", "-lzstd"],
    "xcode_settings": { "GCC_ENABLE_CPP_EXCEPTIONS": "YES", "CLANG_CXX_LANGUAGE_STANDARD": "c++17" }
  }]
}
