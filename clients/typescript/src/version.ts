/** The version of this package, as the servers see it in `User-Agent`. A test holds it to `package.json`. */
export const VERSION = "0.1.0";
