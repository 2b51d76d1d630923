/** A FHIR server no part of which was written here: Medplum's router on its repository in memory, with HTTP around it. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ContentType, type OperationOutcomeError } from '@medplum/core';
import { FhirRouter, MemoryRepository, type FhirRequest } from '@medplum/fhir-router';
import type { OperationOutcome, Resource } from '@medplum/fhirtypes';

export interface MedplumServer {
  /** Without a slash at the end. */
  readonly base: string;
  /** By REST, as any client of it. @returns the resource that it answers with */
  send<Sent extends Resource>(
    method: 'POST' | 'PUT' | 'DELETE',
    path: string,
    resource?: Sent,
  ): Promise<Sent & { id: string }>;
  close(): Promise<void>;
}

export async function givenMedplum(): Promise<MedplumServer> {
  const [router, repository] = [new FhirRouter(), new MemoryRepository()];
  const server = createServer((request, response) => {
    void (async () => {
      const [status, body] = await answerOf(router, repository, request);
      response.writeHead(status, { 'content-type': ContentType.FHIR_JSON });
      response.end(JSON.stringify(body));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/fhir/R4`;
  return {
    base,
    send: async (method, path, resource) => {
      const response = await fetch(`${base}/${path}`, {
        method,
        headers: { 'content-type': ContentType.FHIR_JSON },
        ...(resource === undefined ? {} : { body: JSON.stringify(resource) }),
      });
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as never;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answerOf(
  router: FhirRouter,
  repository: MemoryRepository,
  request: IncomingMessage,
): Promise<[number, Resource | undefined]> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const url = new URL(request.url ?? '', 'http://localhost');
  const asked: FhirRequest = {
    method: request.method as FhirRequest['method'],
    url: url.pathname.replace(/^\/fhir\/R4/, '') || '/',
    pathname: '',
    params: {},
    query: Object.fromEntries(url.searchParams),
    body: text === '' ? undefined : (JSON.parse(text) as unknown),
    headers: request.headers,
  };
  try {
    const [outcome, resource] = await router.handleRequest(asked, repository);
    return [statusOf(outcome), resource ?? outcome];
  } catch (error) {
    const { outcome } = error as OperationOutcomeError;
    if (outcome === undefined) throw error;
    return [statusOf(outcome), outcome];
  }
}

function statusOf({ id, issue }: OperationOutcome): number {
  if (issue[0]?.severity === 'information') return id === 'created' ? 201 : 200;
  return issue[0]?.code === 'not-found' ? 404 : issue[0]?.code === 'deleted' ? 410 : 400;
}
