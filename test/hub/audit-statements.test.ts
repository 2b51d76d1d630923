/** The schedule of signed statements, the file beside the table, and the commands that check with them. */
import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openAudit } from '../../src/access/audit/audit.ts';
import { raw } from '../../src/db/sql.ts';
import { startSigning } from '../../src/hub/audit-statements.ts';
import { openLog } from '../../src/hub/log.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { assertValid } from '../../src/fhir/validate.ts';
import { givenDatabase } from '../given.ts';
import { until } from '../until.ts';
import { givenDataDir, runHub } from '../hub-process.ts';
import { givenPrincipal } from '../access/world.ts';

describe('signed statements of the audit trail', () => {
  it('are made on a schedule and at the end; the commands check with them, and tell by exit code', async () => {
    const [given, dataDir] = await Promise.all([givenDatabase(), givenDataDir()]);
    const file = join(dataDir.path, 'beside.ndjson');
    const env = { HUB_DATA_DIR: dataDir.path, DATABASE_URL: given.url, HUB_AUDIT_STATEMENTS: file };
    const audit = openAudit(given.database);
    const read = async (): Promise<void> =>
      audit.record([
        { context: { principal: givenPrincipal(), interaction: 'read', at: Date.now() }, rows: 1, outcome: 'success' },
      ]);
    const signed: Date[] = [];
    const signing = await startSigning({
      config: { dataDir: dataDir.path, auditStatements: file, auditSignSeconds: 0.02 },
      database: given.database,
      log: openLog('silent'),
      observe: (at) => signed.push(at),
    });
    const lines = async (): Promise<string[]> =>
      (await readFile(file, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
    await read();
    await until('it is signed', async () => (await lines()).length === 1);
    await until('nothing new is not signed again', async () => signed.length > 3);
    assert.equal((await lines()).length, 1);
    await read();
    await signing.close();
    assert.equal((await lines()).length, 2);

    const keys = await runHub(['audit', 'keys'], { env });
    assert.doesNotMatch(keys.stdout, /"d":/);
    const keysFile = join(dataDir.path, 'kept-elsewhere.json');
    await writeFile(keysFile, keys.stdout);
    const whole = await runHub(['audit', 'verify', '--keys', keysFile], { env });
    assert.equal(whole.code, 0, whole.stdout + whole.stderr);
    assert.match(whole.stdout, /^shard 0: 2 rows, the chain holds and ends with row 2, \w{16}$/m);
    assert.match(whole.stdout, /^statements: 2 signed, 2 of them in the file, the last one 2 of 20/m);

    await rename(file, `${file}.away`);
    const gone = await runHub(['audit', 'verify'], { env });
    assert.equal(gone.code, 1, gone.stdout);
    assert.match(gone.stdout, /^statements: 2 signed, 0 of them in the file/m);
    await given.database.query(raw('create table taken as select * from audit_head'));
    await given.database.query(raw('delete from audit_head'));
    const unsigned = await runHub(['audit', 'verify'], { env });
    assert.equal(unsigned.code, 0, 'nothing was to be signed yet');
    await until('it was to be signed', async () => {
      const { code, stdout } = await runHub(['audit', 'verify'], { env: { ...env, HUB_AUDIT_SIGN_SECONDS: '1' } });
      return code === 1 && /^statement 1: is missing: the trail begins at 20/m.test(stdout);
    });
    await given.database.query(raw('insert into audit_head select * from taken'));
    await rename(`${file}.away`, file);

    const at = new Date().toISOString();
    const exported = await runHub(['audit', 'export', '--until', at], { env });
    const events = exported.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as AnyResource);
    for (const event of events) assertValid(event);
    assert.deepEqual(
      events.map(
        ({ extension }) => (extension as { extension: { valueString?: string }[] }[])[0]?.extension[1]?.valueString,
      ),
      ['1', '2'],
    );
    const since = await runHub(['audit', 'export', '--since', at], { env });
    assert.match(
      since.stdout,
      /^\{[^\n]*"code":"audit-export"[^\n]*\}\n\{[^\n]*audit-export[^\n]*\}\n$/,
      'an export is on record, this one too',
    );

    await given.database.query(raw('delete from audit_block where shard = 0 and first = 1'));
    const broken = await runHub(['audit', 'verify'], { env });
    assert.equal(broken.code, 1);
    assert.match(broken.stdout, /^shard 0: DELETED: row 1 was deleted$/m);
    assert.match(broken.stdout, /^The audit trail is NOT intact: 1 found\.$/m);
    await audit.close();
    await Promise.all([given.close(), dataDir.close()]);
  });
});
