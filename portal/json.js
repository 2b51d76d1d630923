/**
 * JSON whose numbers keep the digits they were sent with: a laboratory's `1.50` is not `1.5`. Browsers that cannot keep
 * them (before 2023) show the number as JavaScript prints it.
 *
 * @see https://hl7.org/fhir/R4/datatypes.html#decimal
 */

/** @type {any} TypeScript's library does not declare rawJSON and the reviver's third argument yet. */
const json = JSON;

/** @param {string} text @returns {any} */
export function parseJson(text) {
  return json.parse(
    text,
    (
      /** @type {string} */ _key,
      /** @type {unknown} */ value,
      /** @type {{ source?: string } | undefined} */ context,
    ) =>
      typeof value === 'number' && context?.source !== undefined && context.source !== String(value)
        ? json.rawJSON(context.source)
        : value,
  );
}

/** @param {unknown} value a number of {@link parseJson} @returns {string} */
export function numberText(value) {
  if (typeof value === 'object' && value !== null && 'rawJSON' in value) return String(value.rawJSON);
  return typeof value === 'number' ? String(value) : '';
}
