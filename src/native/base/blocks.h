// The words shared by every core: a component's block grid and the scan order of a block.
#pragma once
#include <cstddef>
#include <cstdint>

namespace dctstream {

constexpr int kBlockSize = 64;
constexpr int kMaxComponents = 4;

// kZigzag[k] is the natural (row-major) position of the k-th coefficient in scan order. ITU-T T.81, figure 5.
constexpr uint8_t kZigzag[kBlockSize] = {0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
                                         12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
                                         35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
                                         58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

// A JPEG's side has at most 65,535 samples, and blocks fill up MCUs of at most four.
constexpr uint32_t kMaxGridSide = 65536 / 8 + 3;

// A component's grid as it is stored: rounded up to whole MCUs when the file interleaves components, because the
// padding blocks are part of the scan and are needed to rebuild it.
struct Grid {
  uint32_t blocks_wide = 0;
  uint32_t blocks_high = 0;
  size_t blocks() const { return size_t(blocks_wide) * blocks_high; }
};

// int16 coefficients of one component, quantised, natural order inside a block: [blocks_high, blocks_wide, 64].
struct PlaneView {
  Grid grid;
  const int16_t* coefficients = nullptr;
};

// Stands among packed values for one that does not fit int8.
constexpr uint8_t kEscape = 0x80;

constexpr uint32_t ceil_div(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

constexpr size_t round_up(size_t value, size_t step) { return (value + step - 1) / step * step; }

}  // namespace dctstream
