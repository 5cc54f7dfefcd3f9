// A GPU in software, which the browser of the tests brings along: any machine can run the tests of WebGPU.
import { existsSync } from "node:fs";

const drivers = ["/usr/lib/chromium/vk_swiftshader_icd.json", "/usr/lib/chromium-browser/vk_swiftshader_icd.json"];

/** Before WebGPU is opened; a driver that the environment names stays. */
export function useSwiftshader(): void {
  process.env.VK_DRIVER_FILES ??= drivers.find((file) => existsSync(file)) ?? "";
}
