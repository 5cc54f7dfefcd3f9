// The native cores without Node, for the sanitizers: real files, mutated files and mutated records through every path.
// Usage: sanitize_cores ROUNDS file.jpg..   Prints "ok" and counts; any defect aborts.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "../../src/native/encode.h"
#include "../../src/native/frequency_stats.h"
#include "../../src/native/jpeg.h"
#include "../../src/native/pack.h"
#include "../../src/native/scan.h"
#include "../../src/native/view.h"

using namespace dctstream;
using Bytes = std::vector<uint8_t>;

namespace {

std::vector<Simd> levels() {
  std::vector<Simd> all;
  for (const Simd level : {Simd::kScalar, Simd::kAvx2, Simd::kAvx512})
    if (level <= best_simd()) all.push_back(level);
  return all;
}

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::abort();
}

// A buffer of exactly that size: reading one byte too many is then an error that the sanitizer sees.
Bytes exact(const Bytes& bytes) { return Bytes(bytes.begin(), bytes.end()); }

std::vector<Grid> grids_of(const Jpeg& jpeg) {
  std::vector<Grid> grids;
  for (const JpegComponent& component : jpeg.components) grids.push_back(component.stored);
  return grids;
}

// Every level must say the same of the same bytes: the same coefficients, or refuse alike.
bool unpack_at_all_levels(const Bytes& packed, const std::vector<Grid>& grids, Codec codec) {
  Bytes first;
  bool first_good = false;
  for (const Simd level : levels()) {
    Unpacker unpacker(level);
    bool good = unpacker.open(packed.data(), packed.size(), grids, codec).ok();
    Bytes all;
    for (size_t i = 0; good && i < grids.size(); i++) {
      std::vector<int16_t> plane(grids[i].blocks() * kBlockSize);
      good = unpacker.unpack(i, {0, grids[i].blocks_high, 0, grids[i].blocks_wide}, plane.data()).ok();
      const uint8_t* p = reinterpret_cast<const uint8_t*>(plane.data());
      all.insert(all.end(), p, p + plane.size() * 2);
    }
    if (level == Simd::kScalar) {
      first = all;
      first_good = good;
    } else {
      require(good == first_good && (!good || all == first), "a SIMD level differs from the scalar twin");
    }
  }
  return first_good;
}

void view_at_all_levels(const Jpeg& jpeg, const Bytes& packed, Codec codec, std::mt19937& random) {
  ViewImage image;
  image.width = jpeg.width;
  image.height = jpeg.height;
  for (const JpegComponent& c : jpeg.components) image.components.push_back({c.h, c.v, c.stored, c.quant});
  const auto axis = [&](int size, bool flip) {
    const int length = 1 + int(random() % size), start = int(random() % (size - length + 1));
    return ViewAxis{double(start), double(start + length), 48, 0, 48, flip};
  };
  ViewSpec spec;
  spec.x = axis(jpeg.width, random() & 1);
  spec.y = axis(jpeg.height, false);
  for (const Simd level : levels()) {
    Viewer viewer(level);
    for (const ViewKind kind : {ViewKind::kDct, ViewKind::kRgb}) {
      spec.kind = kind;
      std::vector<float> y(48 * 48 * (kind == ViewKind::kRgb ? 3 : 1)), cb(24 * 24), cr(24 * 24);
      float* const out[3] = {y.data(), cb.data(), cr.data()};
      (void)viewer.render(image, packed.data(), packed.size(), codec, spec, out);
    }
  }
}

void mutate(Bytes* bytes, std::mt19937& random, size_t from) {
  if (random() % 4 == 0) bytes->resize(from + random() % (bytes->size() - from + 1));
  for (int n = int(random() % 5); n >= 0 && bytes->size() > from; n--)
    (*bytes)[from + random() % (bytes->size() - from)] = uint8_t(random());
}

struct Counts {
  int read = 0, rebuilt = 0, refused = 0, damaged_unpacked = 0;
};

void check_file(const Bytes& file, std::mt19937& random, Counts* counts) {
  JpegLimits limits;
  limits.max_pixels = 2'000'000;
  Jpeg jpeg;
  if (!read_jpeg(file.data(), file.size(), limits, &jpeg).ok()) {
    counts->refused++;
    return;
  }
  counts->read++;
  FrequencyStats stats;
  add_frequencies(jpeg, &stats);
  std::vector<PlaneView> planes;
  for (size_t i = 0; i < jpeg.components.size(); i++) planes.push_back(jpeg.plane(i));
  const size_t end = find_scan_end(file.data(), file.size(), jpeg.header_bytes);
  for (const Simd level : levels()) {
    Bytes rebuilt;
    const Status status =
        rebuild_jpeg(file.data(), jpeg.header_bytes, file.data() + end, file.size() - end, planes, level, &rebuilt);
    if (status.ok() && rebuilt == file) counts->rebuilt++;
  }
  for (const Codec codec : {Codec::kNone, Codec::kZstd}) {
    Packer packer(best_simd());
    Bytes scratch;
    require(packer.pack(planes, codec, &scratch).ok(), "packing fails");
    const Bytes packed = exact(scratch);
    require(unpack_at_all_levels(packed, grids_of(jpeg), codec), "what was packed does not unpack");
    if (jpeg.components.size() == 1 || jpeg.components.size() == 3) view_at_all_levels(jpeg, packed, codec, random);
    for (int i = 0; i < 3; i++) {
      Bytes damaged = packed;
      mutate(&damaged, random, 0);
      damaged = exact(damaged);
      counts->damaged_unpacked += unpack_at_all_levels(damaged, grids_of(jpeg), codec);
      if (jpeg.components.size() == 1 || jpeg.components.size() == 3) view_at_all_levels(jpeg, damaged, codec, random);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::mt19937 random(7);
  Counts counts;
  for (int i = 2; i < argc; i++) {
    std::ifstream in(argv[i], std::ios::binary);
    const Bytes file((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    check_file(exact(file), random, &counts);
    for (int round = 0; round < std::atoi(argv[1]); round++) {
      Bytes mutated = file;
      mutate(&mutated, random, 2);
      check_file(exact(mutated), random, &counts);
    }
  }
  std::printf("ok: %d read, %d rebuilt, %d refused, %d damaged records unpacked\n", counts.read, counts.rebuilt,
              counts.refused, counts.damaged_unpacked);
}
