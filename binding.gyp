{
  "targets": [{
    "target_name": "dctstream",
    "sources": [
      "src/native/base/crc32c.cc", "src/native/base/deadline.cc", "src/native/base/lock.cc", "src/native/base/simd.cc", "src/native/base/status.cc",
      "src/native/packed/codec.cc", "src/native/packed/expand.cc", "src/native/packed/pack.cc", "src/native/packed/sample_reader.cc", "src/native/packed/scan_order.cc", "src/native/packed/streams.cc",
      "src/native/jpeg/baseline.cc", "src/native/jpeg/block_sums.cc", "src/native/jpeg/encode.cc", "src/native/jpeg/frequency_stats.cc", "src/native/jpeg/huffman_tables.cc", "src/native/jpeg/jpeg.cc", "src/native/jpeg/jpeg_session.cc", "src/native/jpeg/pixels.cc", "src/native/jpeg/rebuild.cc", "src/native/jpeg/scan.cc", "src/native/jpeg/scan_header.cc",
      "src/native/seek/block.cc", "src/native/seek/builder.cc", "src/native/seek/entropy.cc", "src/native/seek/entry_code.cc", "src/native/seek/rows.cc", "src/native/seek/sample.cc", "src/native/seek/seek_table.cc",
      "src/native/view/compose.cc", "src/native/view/resample.cc", "src/native/view/resize.cc", "src/native/view/view.cc",
      "src/native/batch.cc", "src/native/image_reader.cc",
      "src/native/node/binding.cc", "src/native/node/binding_jpeg.cc", "src/native/node/binding_packed.cc", "src/native/node/binding_seek.cc", "src/native/node/binding_system.cc", "src/native/node/binding_views.cc"
    ],
    "include_dirs": ["src/native", "node_modules/node-addon-api"],
    "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
    "cflags!": ["-fno-exceptions"],
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17"],
    "cflags_cc": ["-std=c++17", "-O3", "-fexceptions", "-fno-math-errno", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror=switch", "-Wno-unused-parameter", "-Wno-maybe-uninitialized", "-Wno-uninitialized", "-Wno-psabi"],
    # popcnt and SSE4 everywhere, which every 64-bit processor since 2009 has; more is chosen at run time.
    "conditions": [["target_arch=='x64'", { "cflags_cc": ["-march=x86-64-v2"] }]],
    "libraries": ["-ljpeg", "-lzstd"],
    "xcode_settings": { "GCC_ENABLE_CPP_EXCEPTIONS": "YES", "CLANG_CXX_LANGUAGE_STANDARD": "c++17" }
  }]
}
