// This toolkit's version: what --version prints and manifests record. test/version.test.ts holds it against
// package.json.
export const version = "0.1.0";
