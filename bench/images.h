// What the benches in C++ share: their clock, and their input.
#pragma once
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <utility>
#include <vector>

using Bytes = std::vector<uint8_t>;

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// From stdin, each behind its length as 4 little-endian bytes.
inline std::vector<Bytes> read_images() {
  std::vector<Bytes> images;
  uint8_t length[4];
  while (std::fread(length, 1, 4, stdin) == 4) {
    Bytes image(size_t(length[0]) | size_t(length[1]) << 8 | size_t(length[2]) << 16 | size_t(length[3]) << 24);
    if (std::fread(image.data(), 1, image.size(), stdin) != image.size()) break;
    images.push_back(std::move(image));
  }
  return images;
}
