/**
 * Where notifications may go: prefixes that the operator names, compared as parsed URLs, and addresses that such a name may
 * have. A Subscription is data of a client, so nothing it says reaches another host, port, scheme or path (LEAKS 41), and a
 * partner's DNS leads nobody into the hub's own network.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
 */
import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Problem } from '../../fhir/problem.ts';

export interface Allowed {
  readonly url: URL;
  /** Addresses of the hub's own machine or network are reached by this entry, because it names them. */
  readonly isInternal: boolean;
}

export type AllowList = readonly Allowed[];

/** @param prefixes of HUB_SUBSCRIPTION_ALLOW */
export function readAllowList(prefixes: readonly string[]): AllowList {
  return prefixes.map((prefix) => {
    const url = new URL(prefix);
    return { url, isInternal: namesInternal(url.hostname) };
  });
}

/** An address, localhost, or a name that no public resolver answers for (RFC 6761, RFC 6762, RFC 8375, ICANN's .internal). */
function namesInternal(hostname: string): boolean {
  const isName = /[a-z]/i.test(hostname) && isIP(bare(hostname)) === 0;
  return !isName || !hostname.includes('.') || /\.(internal|local|localhost|lan|home\.arpa)$/i.test(hostname);
}

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

/**
 * The entry that an endpoint falls under; undefined: it may not be reached.
 * Origins are equal; the path is that of the entry or below it, at the border of a segment.
 */
export function findAllowed(endpoint: string, list: AllowList): Allowed | undefined {
  if (!URL.canParse(endpoint)) return undefined;
  const url = new URL(endpoint);
  if (url.username !== '' || url.password !== '' || url.hash !== '') return undefined;
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  // Not what one server reads as a separator and another as text.
  if (/%(2f|5c|00|2e)/i.test(url.pathname)) return undefined;
  return list.find(({ url: allowed }) => {
    if (allowed.origin !== url.origin) return false;
    const prefix = allowed.pathname.replace(/\/+$/, '');
    return url.pathname === prefix || url.pathname.startsWith(`${prefix}/`);
  });
}

/** @throws Problem business-rule with the same text whatever is there */
export function requireAllowed(endpoint: string, list: AllowList, content: string): void {
  const expression = 'Subscription.channel.endpoint';
  const allowed = findAllowed(endpoint, list);
  if (allowed === undefined || !mayConnect(bare(new URL(endpoint).hostname), allowed)) {
    throw new Problem('business-rule', 'the hub may not send notifications to this address', {
      expression,
      hint: 'The operator lists the prefixes in HUB_SUBSCRIPTION_ALLOW.',
    });
  }
  // payloads.html: "full-resource payloads should only be used when the channel is secure".
  if (content === 'full-resource' && allowed.url.protocol === 'http:' && !isLoopback(bare(allowed.url.hostname))) {
    throw new Problem('business-rule', 'whole resources are sent by https alone', {
      expression,
      hint: 'Use https, or ask for id-only.',
    });
  }
}

/** A name is decided when it has been resolved. */
function mayConnect(host: string, allowed: Allowed): boolean {
  return isIP(host) === 0 || isReachable(host, allowed);
}

/** One for each family: a list of both takes every IPv4 address for one that IPv6 wraps. */
const own = { ipv4: new BlockList(), ipv6: new BlockList() };
const v4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];
for (const [net, bits] of v4) own.ipv4.addSubnet(net, bits, 'ipv4');
// What IPv6 wraps around an IPv4 address (mapped, NAT64, 6to4, Teredo) is refused whole: nobody is reached only that way.
const v6: readonly (readonly [string, number])[] = [
  ['::', 96],
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2001::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
];
for (const [net, bits] of v6) own.ipv6.addSubnet(net, bits, 'ipv6');

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** Never, whatever an entry names: the metadata service of a cloud, everybody, nobody. */
const isNobody = (address: string): boolean =>
  /^(169\.254|0|22[4-9]|23\d|24\d|25\d)\.|^fe[89ab]|^ff|^::$/i.test(address);

/** Whether this address may be connected to for the entry. */
export function isReachable(address: string, { url, isInternal }: Allowed): boolean {
  const family = isIP(address);
  if (family === 0 || isNobody(address)) return false;
  if (isLoopback(address)) return isLoopback(bare(url.hostname));
  const name = family === 4 ? 'ipv4' : 'ipv6';
  if (!own[name].check(address, name)) return true;
  // Of what is the hub's own only what an IPv4 or unique local address says plainly.
  return isInternal && (family === 4 || /^f[cd]/i.test(address));
}

/** As `dns.lookup`, with an error for addresses that the entry does not reach: what was checked is what is connected to. */
export function lookupFor(allowed: Allowed, resolve: typeof lookup = lookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '');
      const refused = addresses.find(({ address }) => !isReachable(address, allowed));
      const [first] = addresses;
      if (refused !== undefined || first === undefined) return callback(new Error('the address is not allowed'), '');
      if (options.all === true) return callback(null, addresses);
      return callback(null, first.address, first.family);
    });
  };
}
