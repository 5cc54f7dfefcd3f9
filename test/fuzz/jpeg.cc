// Fuzz target: any bytes as a JPEG through every reader. What our own decoder accepts, libjpeg must accept without a
// warning and with the same coefficients, and the file must be rebuilt from them byte for byte.
#include "../../src/native/jpeg/jpeg.h"

#include "../../src/native/jpeg/baseline.h"
#include "../../src/native/jpeg/frequency_stats.h"
#include "../../src/native/jpeg/pixels.h"
#include "../../src/native/jpeg/rebuild.h"
#include "../../src/native/view/resize.h"
#include "fuzz.h"

using namespace dctstream;

namespace {

constexpr uint64_t kMaxPixels = 1'000'000;

bool same_streams(const PlaneStreams& a, const PlaneStreams& b) {
  if (a.masks != b.masks || a.escapes != b.escapes || a.value_end != b.value_end || a.escape_end != b.escape_end)
    return false;
  return a.value_end.empty() || std::memcmp(a.values.data(), b.values.data(), a.value_end.back()) == 0;
}

bool same_facts(const JpegFacts& a, const JpegFacts& b) {
  bool same = a.width == b.width && a.height == b.height && a.color_space == b.color_space &&
              a.header_bytes == b.header_bytes && a.trailer_start == b.trailer_start && !b.progressive &&
              !b.arithmetic && b.warnings == 0 && b.single_scan && a.components.size() == b.components.size();
  for (size_t i = 0; same && i < a.components.size(); i++) {
    const JpegComponent &x = a.components[i], &y = b.components[i];
    same = x.h == y.h && x.v == y.v && x.blocks_wide == y.blocks_wide && x.blocks_high == y.blocks_high &&
           x.stored.blocks_wide == y.stored.blocks_wide && x.stored.blocks_high == y.stored.blocks_high &&
           std::memcmp(x.quant, y.quant, sizeof(x.quant)) == 0;
  }
  return same;
}

std::vector<PlaneStreams> gather(const Jpeg& jpeg, Simd level) {
  std::vector<PlaneStreams> streams(jpeg.components.size());
  const std::vector<PlaneView> planes = jpeg.planes();
  for (size_t i = 0; i < planes.size(); i++) gather_streams(planes[i], to_scan_order_for(level), &streams[i]);
  return streams;
}

void check_own_decoder(const std::vector<uint8_t>& file, const Jpeg* reference) {
  // Kept from file to file, as in a worker: their table caches fill up and make room.
  static BaselineReader readers[] = {BaselineReader(Simd::kScalar), BaselineReader(best_simd())};
  const Simd reader_levels[] = {Simd::kScalar, best_simd()};
  for (int i = 0; i < 2; i++) {
    BaselineReader& reader = readers[i];
    const Simd level = reader_levels[i];
    JpegFacts facts;
    std::vector<PlaneStreams> streams;
    if (!reader.read(file.data(), file.size(), kMaxPixels, &facts, &streams)) continue;
    require(reference != nullptr, "our decoder accepts what libjpeg refuses");
    require(same_facts(facts, *reference), "our decoder describes the file otherwise than libjpeg");
    const std::vector<PlaneStreams> expected = gather(*reference, level);
    for (size_t c = 0; c < streams.size(); c++)
      require(same_streams(streams[c], expected[c]), "our decoder reads other coefficients than libjpeg");
    std::vector<uint8_t> rebuilt;
    const uint8_t* trailer = file.data() + facts.trailer_start;
    const Status status = rebuild_jpeg(file.data(), facts.header_bytes, trailer, file.size() - facts.trailer_start,
                                       reference->planes(), level, &rebuilt);
    require(status.ok() && rebuilt == file, "our decoder accepts a file that cannot be rebuilt");
  }
}

void check_statistics(const Jpeg& jpeg, const std::vector<PlaneStreams>& streams) {
  FrequencyStats first, other;
  measure_frequencies(jpeg, streams, Simd::kScalar, &first);
  measure_frequencies(jpeg, streams, best_simd(), &other);
  require(std::memcmp(&first, &other, sizeof(first)) == 0, "statistics differ between SIMD levels");
}

// From planes and by rows from the packed form: the same file, or neither.
void check_rebuilding(const std::vector<uint8_t>& file, const Jpeg& jpeg, const PackedImage& image) {
  const uint8_t* trailer = file.data() + jpeg.trailer_start;
  const size_t trailer_size = file.size() - jpeg.trailer_start;
  std::vector<uint8_t> from_planes, by_rows;
  const bool all =
      rebuild_jpeg(file.data(), jpeg.header_bytes, trailer, trailer_size, jpeg.planes(), Simd::kScalar, &from_planes)
          .ok();
  Unpacker unpacker(best_simd());
  const bool rows =
      rebuild_packed(file.data(), jpeg.header_bytes, trailer, trailer_size, image, &unpacker, best_simd(), &by_rows)
          .ok();
  require(all == rows && (!all || from_planes == by_rows), "by rows another file is rebuilt than from planes");
}

void check_packing(const std::vector<uint8_t>& file, const Jpeg& jpeg, const std::vector<PlaneStreams>& streams) {
  std::vector<Grid> grids;
  for (const JpegComponent& component : jpeg.components) grids.push_back(component.stored);
  Packer packer;
  for (const Codec codec : {Codec::kNone, Codec::kZstd}) {
    std::vector<uint8_t> packed;
    require(packer.pack(streams, codec, &packed).ok(), "packing fails");
    packed.shrink_to_fit();
    require(unpack_at_all_levels(packed, grids, codec) == jpeg.coefficients, "what was packed comes back otherwise");
    check_rebuilding(file, jpeg, {packed.data(), packed.size(), grids, codec});
  }
}

void check_resize(const Jpeg& jpeg, const std::vector<PlaneStreams>& streams) {
  if (jpeg.color_space != ColorSpace::kGrey && jpeg.color_space != ColorSpace::kYCbCr) return;
  Packer packer;
  std::vector<uint8_t> packed;
  require(packer.pack(streams, Codec::kNone, &packed).ok(), "packing fails");
  if (std::max(jpeg.width, jpeg.height) / std::min(jpeg.width, jpeg.height) > 50) return;  // thousands of pixels long
  ResizedJpeg resized;
  for (const int crop : {0, 24})
    (void)Resizer(best_simd()).resize(jpeg, packed, {32, crop, 90, 1 + (jpeg.width & 1)}, &resized);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> file(data, data + size);
  JpegLimits limits;
  limits.max_pixels = kMaxPixels;
  limits.max_scans = 20;
  Jpeg jpeg;
  const bool read = read_jpeg(file.data(), file.size(), limits, &jpeg).ok();
  check_own_decoder(file, read ? &jpeg : nullptr);
  const int orientation = read_orientation(file.data(), file.size());
  Pixels pixels;
  if (read_pixels(file.data(), file.size(), limits, &pixels).ok()) apply_orientation(orientation, &pixels);
  if (!read) return 0;
  const std::vector<PlaneStreams> streams = gather(jpeg, best_simd());
  check_statistics(jpeg, streams);
  check_packing(file, jpeg, streams);
  check_resize(jpeg, streams);
  return 0;
}
