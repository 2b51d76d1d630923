/**
 * Uploads of devices: `POST /device/NAME?patient=ID`. By the person themselves (an app with their token), where the operator opened the
 * endpoint to patients, or by the organization of the endpoint about a Patient of its own. What is in it is processed like any message.
 */
import { Router, type Request } from 'express';
import type { Principal } from '../access/principal/principal.ts';
import { requireScope } from '../access/principal/scope.ts';
import type { Authenticator } from '../access/token/token.ts';
import { Problem } from '../fhir/problem.ts';
import { idPattern } from '../fhir/ids.ts';
import type { Endpoint } from '../ingest/contract.ts';
import { checkContentType } from './incoming.ts';
import type { Reporter } from './interaction.ts';
import { answerOf, respond, type Answer } from './respond.ts';

/** By what the body is; Apple's export is XML, Open mHealth JSON, the Personal Health Device guide FHIR. */
const formats = new Map([
  ['application/xml', 'apple-health'],
  ['text/xml', 'apple-health'],
  ['application/json', 'open-mhealth'],
  ['application/fhir+json', 'fhir'],
] as const);

export type UploadFormat = 'apple-health' | 'open-mhealth' | 'fhir';

export interface DeviceUpload {
  readonly endpoint: Endpoint;
  readonly format: UploadFormat;
  readonly patient: string;
  /** The person sent it themselves. */
  readonly isOwn: boolean;
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface DeviceOptions {
  readonly authenticator: Authenticator;
  readonly report: Reporter;
  /** By name: an endpoint of kind `device-http` that something may come in by. */
  readonly endpoint: (name: string) => Promise<Endpoint | undefined>;
  /** Whether the organization wrote this Patient. */
  readonly isOwnPatient: (organization: string, patient: string) => Promise<boolean>;
  /** @throws Problem structure, too-long, transient */
  readonly receive: (upload: DeviceUpload) => Promise<object>;
}

export function deviceRouter(options: DeviceOptions): Router {
  const router = Router();
  router.post('/:name', (request, response) => {
    const correlationId = crypto.randomUUID();
    void receive(options, request).then(
      (answer) => respond(response, answer),
      (error: unknown) => {
        if (!(error instanceof Problem)) options.report.failed(error, correlationId);
        respond(response, answerOf(error, true, correlationId));
      },
    );
  });
  return router;
}

async function receive(options: DeviceOptions, request: Request<{ name: string }>): Promise<Answer> {
  const principal = await options.authenticator.authenticate(request.headers.authorization, request);
  requireScope(principal, 'Observation', 'c');
  checkContentType(request.headers, [...formats.keys()]);
  const [mediaType = ''] = (request.headers['content-type'] ?? '').split(';', 1);
  const format = formats.get(mediaType.trim().toLowerCase() as 'application/xml') ?? 'open-mhealth';
  const endpoint = await options.endpoint(request.params.name);
  const patient = patientOf(request, principal);
  // Unknown, not ours and not open to patients are one answer.
  if (endpoint === undefined || !(await mayUpload(options, principal, endpoint, patient))) {
    throw new Problem('not-found', 'there is no such endpoint for this patient', {
      hint: 'Name an endpoint of kind device-http, and a patient you may write for.',
    });
  }
  const isOwn = principal.self === patient;
  const done = await options.receive({ endpoint, format, patient, isOwn, chunks: request });
  return { status: 200, contentType: 'application/json; charset=utf-8', body: JSON.stringify(done) };
}

/** @throws Problem required */
function patientOf(request: Request, { self, patient: context }: Principal): string {
  const [, query = ''] = request.url.split('?', 2);
  const named = new URLSearchParams(query).get('patient')?.replace(/^Patient\//, '') ?? self ?? context;
  if (named !== undefined && idPattern.test(named)) return named;
  throw new Problem('required', 'whose measurements are these?', {
    expression: 'patient',
    hint: 'Send ?patient=ID, the id of the Patient in the hub.',
  });
}

async function mayUpload(
  { isOwnPatient }: DeviceOptions,
  { self, organization, patient: context }: Principal,
  endpoint: Endpoint,
  patient: string,
): Promise<boolean> {
  if (context !== undefined && context !== patient) return false;
  if (self !== undefined) return self === patient && endpoint.config['patients'] === true;
  return organization !== undefined && organization === endpoint.organization && isOwnPatient(organization, patient);
}
