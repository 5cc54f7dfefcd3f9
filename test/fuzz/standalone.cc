// Runs a fuzz target over files, for machines without libFuzzer: other processors under an emulator. CONTRIBUTING.md
// says how.
#include <cstdint>
#include <cstdio>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  for (int i = 1; i < argc; i++) {
    std::FILE* const file = std::fopen(argv[i], "rb");
    if (file == nullptr) return 1;
    std::vector<uint8_t> bytes(1 << 20);
    bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file));
    std::fclose(file);
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
  std::printf("%d files\n", argc - 1);
}
