/** Header values: what may be set, how they are kept. */
import assert from 'node:assert/strict';
import { openSealer } from '../../../src/access/secrets/seal.ts';
import { openHeaders, sealHeaders } from '../../../src/feeds/subscription/seal.ts';
import { readHeaders, restoreHeaders, withoutSecrets } from '../../../src/fhir/subscription/headers.ts';
import { keyringOf } from '../../access/secrets/given-keys.ts';

const sealer = openSealer(keyringOf());
const headers = [{ name: 'Authorization', value: 'Bearer secret' }];

describe('header values of a rest-hook', () => {
  it('are read by name and value', () => {
    assert.deepEqual(readHeaders(['Authorization:  Bearer secret ', 'X-Empty:']), [
      ...headers,
      { name: 'X-Empty', value: '' },
    ]);
    assert.deepEqual(readHeaders(undefined), []);
  });
  for (const line of [
    'Host: x',
    'content-length: 1',
    'Content-Type: text/html',
    'Transfer-Encoding: chunked',
    'Connection: upgrade',
    'Upgrade: h2c',
    'Proxy-Authorization: x',
    'X-Forwarded-For: 127.0.0.1',
    'Cookie: a=b',
    'X: a\nHost: b',
    'X: a\rb',
    'X: a\0b',
    'X Y: a',
    ': a',
    'no colon',
    'X: 王',
  ]) {
    it(`refuses ${JSON.stringify(line)}`, () => assert.throws(() => readHeaders([line]), /header/));
  }
  it('refuses too many', () => assert.throws(() => readHeaders(Array.from({ length: 11 }, () => 'X: y')), /at most/));

  it('are opened for the Subscription and with the key they were sealed for, and for no other', () => {
    const sealed = sealHeaders(headers, 's1', sealer) as string;
    assert.equal(sealed.includes('secret'), false);
    assert.deepEqual(openHeaders(sealed, 's1', sealer), headers);
    assert.throws(() => openHeaders(sealed, 's2', sealer));
    assert.throws(() => openHeaders(sealed, 's1', openSealer(keyringOf())));
    assert.equal(sealHeaders([], 's1', sealer), undefined);
  });

  it('are hidden in the resource, and restored when they are sent back hidden', () => {
    const resource = { resourceType: 'Subscription', channel: { header: ['Authorization: Bearer secret'] } };
    const shown = withoutSecrets(resource, headers) as unknown as typeof resource;
    assert.deepEqual(shown.channel.header, ['Authorization: ********']);
    assert.deepEqual(restoreHeaders(readHeaders(shown.channel.header), headers), headers);
    assert.throws(() => restoreHeaders(readHeaders(['X: ********']), headers), /kept/);
  });
});
