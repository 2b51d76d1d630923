/**
 * HL7v2 over HTTP: the message is the body, the answer is the ACK. The same way in as MLLP; the caller's token, instead of
 * its socket, says for which organization it may speak.
 */
import { Router, type Request } from 'express';
import { requireScope } from '../access/principal/scope.ts';
import type { Authenticator } from '../access/token/token.ts';
import { Problem } from '../fhir/problem.ts';
import { checkContentType, readBytes } from './incoming.ts';
import type { Reporter } from './interaction.ts';
import { answerOf, respond, statusOf } from './respond.ts';

export interface Hl7Answer {
  /** undefined when the sender asked for none, or when the hub could not store the message. */
  readonly ack: Buffer | undefined;
  readonly problem?: Problem;
}

export interface Hl7Options {
  readonly authenticator: Authenticator;
  readonly report: Reporter;
  receive(bytes: Buffer, from: { readonly address: string; readonly organization: string }): Promise<Hl7Answer>;
}

export const hl7MediaTypes = [
  'application/hl7-v2',
  'x-application/hl7-v2+er7',
  'text/hl7v2',
  'application/octet-stream',
];
/** As long as the largest frame of the MLLP listener. */
export const messageBytesMax = 16 * 1024 * 1024;

export function hl7Router(options: Hl7Options): Router {
  const router = Router();
  router.post('/', (request, response) => {
    const correlationId = crypto.randomUUID();
    void receive(options, request).then(
      ({ ack, problem }) => {
        if (ack === undefined && problem !== undefined)
          return respond(response, answerOf(problem, true, correlationId));
        const status = problem === undefined ? 200 : statusOf(problem, true);
        response.writeHead(ack === undefined ? 204 : status, {
          'content-type': 'application/hl7-v2',
          'cache-control': 'no-store',
        });
        response.end(ack);
      },
      (error: unknown) => {
        if (!(error instanceof Problem)) options.report.failed(error, correlationId);
        respond(response, answerOf(error, true, correlationId));
      },
    );
  });
  return router;
}

async function receive(options: Hl7Options, request: Request): Promise<Hl7Answer> {
  const principal = await options.authenticator.authenticate(request.headers.authorization, request);
  // In FHIR's words a message is a Bundle; who may create any, may send one.
  requireScope(principal, 'Bundle', 'c');
  const { organization } = principal;
  if (organization === undefined) {
    throw new Problem('forbidden', 'the token names no organization', {
      hint: 'Messages belong to the organization of their sender.',
    });
  }
  checkContentType(request.headers, hl7MediaTypes, 'any');
  const bytes = await readBytes(request, messageBytesMax);
  return options.receive(bytes, { address: request.socket.remoteAddress ?? '', organization });
}
