// Preloaded where a planted break is to be met: the first counterexample is enough, shrinking it would be most
// of the time.
import fc from "fast-check";

fc.configureGlobal({ endOnFailure: true });
