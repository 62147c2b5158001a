/** The expectations of the conformance suite, which ships with the package, under the name all tests know. */
export * from "../../src/testing/conformance/expect.ts";
