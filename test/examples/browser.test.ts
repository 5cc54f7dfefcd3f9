import { testInBrowser } from "../support/browser-example.js";

// Others are in test/long.
testInBrowser(["late-concat-rfa-thinner"]);
