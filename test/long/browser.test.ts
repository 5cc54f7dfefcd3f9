import { testInBrowser } from "../support/browser-example.js";

testInBrowser(["resnet50-rgb", "dct-frozen"]);
