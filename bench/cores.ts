// Programs of the benches in C++: compiled with the cores of src/native, as the addon is, without Node.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

/** Compiles a file of bench/ with all cores to `program`, and returns that. */
export function compileWithCores(file: string, program: string): string {
  const native = path.join(root, "src", "native");
  // Those that bind the cores to Node need its headers.
  const sourcesBelow = readdirSync(native, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".cc"),
  );
  const cores = sourcesBelow.filter((name) => !name.startsWith("node/"));
  const flags = ["-std=c++17", "-O3", "-fno-math-errno", "-Wno-psabi", `-I${native}`];
  const level = process.arch === "x64" ? ["-march=x86-64-v2"] : [];
  const sources = [path.join(root, "bench", file), ...cores.map((name) => path.join(native, name))];
  execFileSync("g++", [...flags, ...level, ...sources, "-ljpeg", "-lzstd", "-pthread", "-o", program]);
  return program;
}
