const answer = documented.answers[pm.response.code];
pm.test("the status is one of " + Object.keys(documented.answers).join(", "), () => {
  pm.expect(answer, pm.response.code + " " + pm.response.text()).to.not.equal(undefined);
});
const media = (pm.response.headers.get("Content-Type") || "").split(";")[0];
if (answer && answer.media.length > 0) {
  pm.test("the media type is documented", () => pm.expect(answer.media).to.include(media));
}
if (answer && media.endsWith("json") && pm.request.method !== "HEAD") {
  const body = pm.response.json();
  pm.test("every required member is there", () => {
    for (const name of answer.required) pm.expect(body, name).to.have.property(name);
  });
  for (const [name, pointer] of Object.entries(documented.yields)) {
    const value = pointer.split("/").slice(1).reduce((at, part) => (at === null || at === undefined ? at : at[part]), body);
    if (typeof value === "string") pm.collectionVariables.set(name, value);
  }
}
