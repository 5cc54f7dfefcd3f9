// One source, a version per processor generation, chosen when the library is loaded: for loops that the compiler
// vectorises well by itself.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && !defined(__clang__)
#define DCTSTREAM_CLONES __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define DCTSTREAM_CLONES
#endif
