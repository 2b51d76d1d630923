/**
 * LEAKS 41: where notifications may go. Each row is a way around a list of prefixes that has worked somewhere.
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
 */
import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import {
  findAllowed,
  isReachable,
  lookupFor,
  readAllowList,
  requireAllowed,
} from '../../../src/feeds/subscription/allow.ts';
import { Problem } from '../../../src/fhir/problem.ts';

const list = readAllowList([
  'https://ai.example/hooks',
  'https://whole.example',
  'http://127.0.0.1:9000/',
  'https://[2001:db8::1]/in',
  'https://10.1.2.3/in',
  'https://receiver.internal/',
]);

describe('HUB_SUBSCRIPTION_ALLOW', () => {
  describe('allows', () => {
    for (const endpoint of [
      'https://ai.example/hooks',
      'https://ai.example/hooks/',
      'https://ai.example/hooks/a/b?tenant=1',
      'https://AI.example:443/hooks/a',
      'https://ai.example/x/../hooks/a',
      'https://whole.example/',
      'https://whole.example/anything',
      'http://127.0.0.1:9000/x',
      'http://2130706433:9000/x',
      'https://[2001:DB8:0::1]/in/x',
    ]) {
      it(endpoint, () => assert.ok(findAllowed(endpoint, list)));
    }
  });

  describe('refuses', () => {
    for (const [why, endpoint] of [
      ['another host', 'https://elsewhere.example/hooks'],
      ['a host that begins like it', 'https://ai.example.evil.example/hooks'],
      ['a host that ends like it', 'https://evil-ai.example/hooks'],
      ['the host as a user', 'https://ai.example@evil.example/hooks'],
      ['a user', 'https://user@ai.example/hooks'],
      ['a password', 'https://:secret@ai.example/hooks'],
      ['a backslash that is a slash', 'https://evil.example\\@ai.example/hooks'],
      ['another port', 'https://ai.example:8443/hooks'],
      ['another scheme', 'http://ai.example/hooks'],
      ['no http at all', 'ftp://ai.example/hooks'],
      ['a file', 'file:///etc/passwd'],
      ['a path that begins like it', 'https://ai.example/hooks-of-others'],
      ['a path beside it', 'https://ai.example/admin'],
      ['a way out', 'https://ai.example/hooks/../admin'],
      ['an escaped way out', 'https://ai.example/hooks/%2e%2e/admin'],
      ['an escaped slash', 'https://ai.example/hooks/..%2fadmin'],
      ['an escaped backslash', 'https://ai.example/hooks/..%5cadmin'],
      ['an escaped escape', 'https://ai.example/hooks/%252e%252e/../../admin'],
      ['a fragment', 'https://ai.example/hooks#x'],
      ['a trailing dot', 'https://ai.example./hooks'],
      ['letters that look alike', 'https://аi.example/hooks'],
      ['white space', ' https://ai.example /hooks'],
      ['no URL', 'ai.example/hooks'],
      ['nothing', ''],
      ['loopback at another port', 'http://127.0.0.1:9001/'],
      ['loopback by another name', 'http://localhost:9000/'],
      ['loopback by another number', 'http://127.1.1.1:9000/'],
    ] as const) {
      it(`${why}: ${endpoint}`, () => assert.equal(findAllowed(endpoint, list), undefined));
    }
    it('everything, when nothing is listed', () =>
      assert.equal(findAllowed('https://ai.example/', readAllowList([])), undefined));
  });

  describe('an address that a name has', () => {
    const [named, , loopback, , ten, internal] = list as [...typeof list] & { length: 6 };
    for (const [address, byName, byAddress, byInternal, byLoopback] of [
      ['203.0.114.7', true, true, true, true],
      ['2a00:1450::1', true, true, true, true],
      ['10.1.2.3', false, true, true, true],
      ['172.16.0.1', false, true, true, true],
      ['192.168.1.1', false, true, true, true],
      ['100.64.0.1', false, true, true, true],
      ['fd00::1', false, true, true, true],
      // The hub itself: only by an entry that says so.
      ['127.0.0.1', false, false, false, true],
      ['127.8.8.8', false, false, false, true],
      ['::1', false, false, false, true],
      // Metadata of clouds, nobody, everybody: never.
      ['169.254.169.254', false, false, false, false],
      ['fe80::1', false, false, false, false],
      ['0.0.0.0', false, false, false, false],
      ['::', false, false, false, false],
      ['255.255.255.255', false, false, false, false],
      ['224.0.0.1', false, false, false, false],
      ['ff02::1', false, false, false, false],
      // IPv4 in the clothes of IPv6.
      ['::ffff:127.0.0.1', false, false, false, false],
      ['::ffff:10.0.0.1', false, false, false, false],
      ['::127.0.0.1', false, false, false, false],
      ['64:ff9b::7f00:1', false, false, false, false],
      ['2002:7f00:1::', false, false, false, false],
      ['not-an-address', false, false, false, false],
    ] as const) {
      it(address, () => {
        const of = [named, ten, internal, loopback].map((entry) =>
          isReachable(address, entry as (typeof list)[number]),
        );
        assert.deepEqual(of, [byName, byAddress, byInternal, byLoopback]);
      });
    }

    const looked = (addresses: LookupAddress[], entry = named): Promise<string> =>
      new Promise((resolve, reject) => {
        // As dns.lookup calls back.
        const resolver = ((_host: string, _options: object, done: (error: null, all: LookupAddress[]) => void) =>
          done(null, addresses)) as unknown as Parameters<typeof lookupFor>[1];
        lookupFor(entry as (typeof list)[number], resolver)('ai.example', {}, (error, address) => {
          if (error) reject(error);
          else resolve(address as string);
        });
      });
    it('is the one that is connected to', async () => {
      assert.equal(await looked([{ address: '203.0.114.7', family: 4 }]), '203.0.114.7');
    });
    it('one bad among good ones is refused: nobody chooses', async () => {
      const both = [
        { address: '203.0.114.7', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ];
      await assert.rejects(looked(both), /not allowed/);
      await assert.rejects(looked([]), /not allowed/);
    });
  });

  it('the refusal is the same whatever is there, and repeats nothing of it', () => {
    const texts = ['https://elsewhere.example/secret', 'https://ai.example/admin', 'nonsense'].map((endpoint) => {
      try {
        requireAllowed(endpoint, list, 'empty');
        return 'allowed';
      } catch (error) {
        return error instanceof Problem ? `${error.message} ${error.expression.join()}` : 'no Problem';
      }
    });
    assert.equal(new Set(texts).size, 1);
    assert.equal(texts[0]?.includes('secret'), false);
  });
});
