/**
 * Where a request comes from, and whether a client may come from there. The socket says it; a header only when the socket is
 * that of a proxy the operator named, because anybody can send one (LEAKS 47).
 */
import { BlockList, isIP } from 'node:net';
import { Problem } from '../../fhir/problem.ts';

/** More are a list of hosts, and belong in a firewall. */
const networksMax = 50;

/** @throws Problem value for what is no address and no CIDR block */
export function readNetworks(texts: readonly string[], expression = '--network'): string[] {
  if (texts.length > networksMax) throw new Problem('value', `at most ${networksMax} networks`, { expression });
  for (const text of texts) {
    if (blockOf(text) !== undefined) continue;
    throw new Problem('value', 'this is no network', {
      expression,
      hint: 'A CIDR block or an address: 10.1.0.0/16, 2001:db8::/32.',
    });
  }
  return [...new Set(texts)];
}

function blockOf(text: string): { address: string; bits: number; family: 'ipv4' | 'ipv6' } | undefined {
  const [address = '', length, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0 || address.includes('%')) return undefined;
  const most = version === 4 ? 32 : 128;
  const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  return bits >= 0 && bits <= most ? { address, bits, family: version === 4 ? 'ipv4' : 'ipv6' } : undefined;
}

/** @param networks as {@link readNetworks} took them */
export function networksOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of networks) {
    const block = blockOf(text);
    if (block !== undefined) list.addSubnet(block.address, block.bits, block.family);
  }
  return list;
}

/** False for no address, and for what is none: who cannot be seen is not inside. */
export function isInside(networks: BlockList, address: string | undefined): boolean {
  // A listener for IPv6 sees IPv4 callers so (RFC 4291 section 2.5.5.2).
  const plain = address?.replace(/^::ffff:(?=\d+\.)/i, '') ?? '';
  const version = isIP(plain);
  return version !== 0 && networks.check(plain, version === 4 ? 'ipv4' : 'ipv6');
}

export interface Caller {
  readonly socket?: { readonly remoteAddress?: string | undefined };
  readonly headers: { readonly [name: string]: string | string[] | undefined };
}

/**
 * The address of who asks. From the right, as each proxy adds the address it saw: the first that is no proxy of ours is the
 * last one that somebody we trust has seen.
 * @param proxies undefined: none are configured, and the header is not looked at
 */
export function addressOf({ socket, headers }: Caller, proxies: BlockList | undefined): string | undefined {
  const peer = socket?.remoteAddress;
  if (proxies === undefined || !isInside(proxies, peer)) return peer;
  const forwarded = [headers['x-forwarded-for'] ?? []].flat().join(',');
  const seen = forwarded.split(',').map((one) => one.trim());
  return seen.findLast((address) => !isInside(proxies, address)) ?? peer;
}
