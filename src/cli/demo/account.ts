/** The patient of the demo signs in like anybody: invited by the operator, enrolled with an app of their own. */
import { openAudit } from '../../access/audit/audit.ts';
import { inviteAccount } from '../../access/login/account.ts';
import { enrol, openInvitation } from '../../access/login/enrolment.ts';
import { openLogin } from '../../access/login/login.ts';
import { totpCode } from '../../access/login/totp.ts';
import { openRegistry } from '../../access/client/registry.ts';
import { openKeyring } from '../../access/secrets/keyring.ts';
import { openSealer } from '../../access/secrets/seal.ts';
import { readConfig } from '../../config.ts';
import { openStorage } from '../../hub/storage.ts';
import { verify } from './teller.ts';

export interface DemoAccount {
  readonly login: string;
  readonly password: string;
  /** Base32, for an app. */
  readonly totpKey: string;
  /** For whoever has no app at hand. */
  readonly codes: readonly string[];
}

/** Known to everybody, like the second factor that the demo prints: the data is made up, and gone afterwards. */
const [login, password] = ['gu.bingshen', 'four brown owls'];
const hourMs = 3_600_000;

export async function enrolPatient(
  patient: string,
  issuer: string,
  environment: NodeJS.ProcessEnv,
): Promise<DemoAccount> {
  const config = readConfig(environment);
  const storage = await openStorage(config);
  const { database: db } = storage;
  const audit = openAudit(db);
  try {
    const { context } = openLogin({
      db,
      audit,
      registry: openRegistry(db),
      sealer: openSealer(await openKeyring(config.dataDir)),
      issuer,
      failed: () => undefined,
    });
    const origin = { address: '', agent: 'hub demo' };
    const { account, code } = await inviteAccount(db, patient, new Date(Date.now() + hourMs));
    const totpKey = (await openInvitation(context, code, origin))?.totpKey ?? '';
    const chosen = { login, password, repeated: password, code: totpCode(totpKey, Date.now()) };
    const enrolled = await enrol(context, code, chosen, origin);
    const codes = enrolled !== undefined && 'recoveryCodes' in enrolled ? enrolled.recoveryCodes : [];
    verify(codes.length > 0, 'the patient has set up their access', enrolled);
    await context.sessions.endAll(account);
    return { login, password, totpKey, codes };
  } finally {
    await audit.close();
    await storage.close();
  }
}
