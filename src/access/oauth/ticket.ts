/**
 * Tickets: with one of them a developer registers one app, once (RFC 7591 calls it an initial access token). Nobody registers
 * anything without the operator, and the operator need not know the app's keys and addresses.
 */
import { hash, randomBytes } from 'node:crypto';
import type { Tx } from '../../db.ts';
import { sql, textArray } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import { registerClient, type Client } from '../client/client.ts';

const ticketBytes = 32;
/** A developer has a week to answer a letter. */
export const ticketHoursDefault = 168;
const ticketHoursMax = 24 * 90;
const ticketPattern = /^[\w-]{43}$/;

export interface TicketRequest {
  readonly issuer: string;
  readonly scopes: readonly string[];
  readonly hours?: number;
}

/** @returns the ticket, which is kept nowhere @throws Problem value */
export async function makeTicket(
  db: Tx,
  { issuer, scopes, hours = ticketHoursDefault }: TicketRequest,
): Promise<string> {
  if (!Number.isInteger(hours) || hours < 1 || hours > ticketHoursMax) {
    throw new Problem('value', `a ticket is good for 1 to ${ticketHoursMax} hours`, { expression: '--hours' });
  }
  const ticket = randomBytes(ticketBytes).toString('base64url');
  await db.query(sql`
    insert into client_ticket (issuer, hash, scopes, expires_at)
    values (${issuer}, ${hashOf(ticket)}, ${textArray(scopes)}::text[], now() + make_interval(hours => ${hours}))`);
  return ticket;
}

/** The scopes an app may be registered for with this ticket; undefined when it is none that is still good. */
export async function findTicket(db: Tx, issuer: string, ticket: string): Promise<readonly string[] | undefined> {
  if (!ticketPattern.test(ticket)) return undefined;
  const [row] = await db.query<{ scopes: string[] }>(sql`
    select scopes from client_ticket
    where issuer = ${issuer} and hash = ${hashOf(ticket)} and client is null and expires_at > now()`);
  return row?.scopes;
}

/**
 * Uses the ticket up and registers the app, both or neither. Of two that come at once the second waits for the first and finds
 * the ticket used.
 * @returns false when the ticket is not good any more
 */
export async function redeemTicket(tx: Tx, ticket: string, client: Client): Promise<boolean> {
  const used = await tx.query(sql`
    update client_ticket set client = ${client.id}
    where issuer = ${client.issuer} and hash = ${hashOf(ticket)} and client is null and expires_at > now() returning hash`);
  if (used.length === 0) return false;
  await registerClient(tx, client);
  return true;
}

function hashOf(ticket: string): string {
  return hash('sha256', ticket, 'base64url');
}
