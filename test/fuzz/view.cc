// Fuzz target: any view of an image whose packed record is any bytes, at every SIMD level. Pixels as a decoder gives
// them must be the same at all of them.
#include "../../src/native/view/view.h"

#include <cmath>

#include "fuzz.h"

using namespace dctstream;

namespace {

// Boxes inside and outside the image, whole and broken sizes.
ViewAxis axis_from(Input* input, int size) {
  ViewAxis axis;
  const double from = (input->fraction() * 1.2 - 0.1) * size, to = (input->fraction() * 1.2 - 0.1) * size;
  axis.box_start = input->byte() & 1 ? std::min(from, to) : std::floor(std::min(from, to));
  axis.box_end = std::max(from, to);
  axis.out_count = 1 + input->byte() % 64;
  axis.scaled_size = input->byte() & 1 ? axis.out_count : input->fraction() * 200;
  axis.out_start = input->byte() & 1 ? 0 : input->fraction() * 100;
  axis.flip = input->byte() & 1;
  return axis;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const Codec codec = input.byte() & 1 ? Codec::kZstd : Codec::kNone;
  ViewImage image;
  image.width = 1 + input.byte();
  image.height = 1 + input.byte();
  uint16_t quant[kBlockSize];
  for (uint16_t& step : quant) step = 1 + input.byte();
  const size_t components = input.byte() & 1 ? 3 : 1 + input.byte() % 4;
  for (size_t i = 0; i < components; i++) {
    const int h = input.byte() % 5, v = input.byte() % 5;
    image.components.push_back({h, v, {1u + input.byte() % 34, 1u + input.byte() % 34}, quant});
  }
  ViewSpec spec;
  spec.kind = ViewKind(input.byte() % 3);
  spec.chroma_step = input.byte() % 4;
  spec.type = SampleType(input.byte() % 3);
  spec.rgb = input.byte() & 1;
  if (input.byte() & 1) spec.color = {float(input.fraction()), float(input.fraction()), 3, float(input.fraction())};
  const uint8_t kept[3] = {0, uint8_t(input.byte() % 64), 63};
  if (input.byte() & 1) {
    for (int i = 0; i < 3; i++) {
      spec.kept[i] = kept;
      spec.kept_count[i] = 1 + input.byte() % 3;
    }
  }
  spec.x = axis_from(&input, image.width);
  spec.y = axis_from(&input, image.height);
  if (spec.kind == ViewKind::kDct) {
    spec.x.out_count = 16 * (1 + spec.x.out_count / 16);
    spec.y.out_count = 16 * (1 + spec.y.out_count / 16);
  }
  const std::vector<uint8_t> packed = input.rest();
  std::vector<float> first;
  for (const Simd level : levels()) {
    std::vector<float> planes[3];
    void* out[3];
    for (int i = 0; i < 3; i++) {
      planes[i].resize(3 * 96 * 96);  // the largest of any kind
      out[i] = planes[i].data();
    }
    const bool good = Viewer(level).render(image, packed.data(), packed.size(), codec, spec, out).ok();
    if (!good || !DecodedPixels::fit(image, spec)) continue;
    if (first.empty()) first = planes[0];
    require(planes[0] == first, "a SIMD level gives other pixels than the scalar twin");
  }
  return 0;
}
