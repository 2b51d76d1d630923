/** Where a request comes from, and whether a client may come from there. */
import assert from 'node:assert/strict';
import { addressOf, isInside, networksOf, readNetworks } from '../../../src/access/client/network.ts';

describe('networks of a client', () => {
  const table: readonly [networks: readonly string[], address: string | undefined, isIn: boolean][] = [
    [['10.1.0.0/16'], '10.1.2.3', true],
    [['10.1.0.0/16'], '10.2.2.3', false],
    [['10.1.0.0/16'], '::ffff:10.1.2.3', true],
    [['10.1.0.0/16'], '::ffff:10.2.2.3', false],
    [['10.1.2.3'], '10.1.2.3', true],
    [['10.1.2.3'], '10.1.2.4', false],
    [['10.1.2.0/24', '192.168.0.0/16'], '192.168.7.7', true],
    [['2001:db8::/32'], '2001:db8:1::1', true],
    [['2001:db8::/32'], '2001:db9::1', false],
    [['0.0.0.0/0'], '::1', false],
    [['::/0'], '::1', true],
    [['10.1.0.0/16'], undefined, false],
    [['10.1.0.0/16'], '', false],
    [['10.1.0.0/16'], '10.1.2.3, 1.1.1.1', false],
    [['10.1.0.0/16'], 'unix', false],
    [[], '10.1.2.3', false],
  ];
  for (const [networks, address, isIn] of table) {
    it(`${address ?? 'no address'} is ${isIn ? '' : 'not '}in ${networks.join(', ') || 'none'}`, () => {
      assert.equal(isInside(networksOf(readNetworks(networks)), address), isIn);
    });
  }

  for (const wrong of [
    '',
    '10.1',
    '10.1.0.0/33',
    '10.1.0.0/-1',
    '10.1.0.0/16/8',
    '::/129',
    'localhost',
    'fe80::1%eth0',
    '10.1.0.0/',
  ]) {
    it(`"${wrong}" is no network`, () => {
      assert.throws(() => readNetworks([wrong]), { code: 'value', expression: ['--network'] });
    });
  }
});

describe('the address of who asks (LEAKS 47)', () => {
  const proxies = networksOf(['10.0.0.0/8']);
  const table: readonly [
    title: string,
    peer: string | undefined,
    forwarded: string | undefined,
    expected: string | undefined,
  ][] = [
    ['the socket', '1.2.3.4', undefined, '1.2.3.4'],
    ['a header of anybody is not believed', '1.2.3.4', '9.9.9.9', '1.2.3.4'],
    ['that of a proxy is', '10.0.0.1', '9.9.9.9', '9.9.9.9'],
    ['what the caller wrote before the proxy is not', '10.0.0.1', '10.1.1.1, 7.7.7.7, 9.9.9.9', '9.9.9.9'],
    ['a row of proxies', '10.0.0.1', '9.9.9.9, 10.0.0.2', '9.9.9.9'],
    ['nobody but proxies', '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.1'],
    ['a proxy that says nothing', '10.0.0.1', undefined, ''],
    ['no socket', undefined, '9.9.9.9', undefined],
  ];
  for (const [title, peer, forwarded, expected] of table) {
    it(title, () => {
      const caller = { socket: { remoteAddress: peer }, headers: { 'x-forwarded-for': forwarded } };
      assert.equal(addressOf(caller, proxies), expected);
      assert.equal(addressOf(caller, undefined), peer, 'without configured proxies');
    });
  }
});
