/** Where the websocket is, below the FHIR base. */
const websocketPath = '/_ws';

/** As a request line has it. */
export const websocketRoute = `/fhir/R4${websocketPath}`;

/** @param base FHIR base URL */
export function websocketUrl(base: string): string {
  return `${base.replace(/^http/, 'ws')}${websocketPath}`;
}
