/** What became of a record, in the words of the patient who is addressed. What purposes and kinds of records are called is in consent/words. */
import type { Language } from '../consent/words/index.ts';

export type Act =
  | 'read'
  | 'create'
  | 'change'
  | 'remove'
  | 'refused'
  | 'failed'
  | 'emergency'
  | 'emergency-end'
  | 'consent-request'
  | 'consent-decline'
  | 'message'
  | 'login'
  | 'login-failed'
  | 'logout'
  | 'other';

/** The parts of a sentence about what somebody did on a day. */
export interface Done {
  readonly day: string;
  /** Absent: the patient. */
  readonly who?: string | undefined;
  readonly act: Act;
  /** Records that were shown or written; of what was refused, how often. */
  readonly count: number;
  /** Kind of records. */
  readonly kind?: string | undefined;
  readonly why?: string | undefined;
  readonly basis?: string | undefined;
}

export interface AccessWords {
  readonly sentence: (done: Done) => string;
  /** Kinds of records that no Consent opens, and so has no word for. */
  readonly types: Readonly<Record<string, string>>;
  readonly byConsent: (day: string | undefined) => string;
  readonly bySource: string;
  readonly byProxy: string;
  readonly byEmergency: (reason: string | undefined) => string;
  /** As whoever looked into a message stated it. */
  readonly forReason: (reason: string | undefined) => string | undefined;
}

const records = (count: number, one: string, many: string, kind: string | undefined): string =>
  `${count} ${count === 1 ? one : many}${kind === undefined ? '' : ` (${kind})`}`;

const en: AccessWords = {
  sentence: ({ day, who = 'you', act, count, kind, why, basis }) => {
    const what = records(count, 'record', 'records', kind);
    const times = count === 1 ? 'once' : `${count} times`;
    const did: Readonly<Record<Act, string>> = {
      read: `read ${what}`,
      create: `added ${what}`,
      change: `changed ${what}`,
      remove: `deleted ${what}`,
      refused: `asked for your records${kind === undefined ? '' : ` (${kind})`} ${times} and was shown nothing`,
      failed: `asked ${times}, which failed`,
      emergency: 'opened your record in an emergency',
      login: `signed in ${times}`,
      'login-failed': `tried to sign in as you ${times} and was refused`,
      logout: 'signed out',
      'emergency-end': 'closed your record again',
      'consent-request': 'asked for your consent',
      'consent-decline': 'declined a request for consent',
      message: `looked ${times} into a message of a hospital about you, to mend how it is read`,
      other: `used the hub ${times}`,
    };
    return `On ${day} ${who} ${did[act]}${why === undefined ? '' : ` for ${why}`}${basis === undefined ? '' : `, ${basis}`}.`;
  },
  types: {
    Consent: 'Consents',
    AuditEvent: 'this log',
    Binary: 'Files',
    List: 'Lists',
    Group: 'Groups',
    Provenance: 'Where records come from',
    Subscription: 'Subscriptions',
  },
  byConsent: (day) => (day === undefined ? 'allowed by a consent of yours' : `allowed by your consent of ${day}`),
  bySource: 'who wrote these records',
  byProxy: 'acting for you',
  forReason: (reason) => (reason === undefined ? undefined : `stating “${reason}”`),
  byEmergency: (reason) => `in an emergency without your consent${reason === undefined ? '' : ` (${reason})`}`,
};

const de: AccessWords = {
  sentence: ({ day, who, act, count, kind, why, basis }) => {
    const isYou = who === undefined;
    const name = who ?? 'Sie';
    const what = records(count, 'Eintrag', 'Einträge', kind);
    const times = `${count}-mal`;
    const verb = (one: string, you: string): string => `${isYou ? you : one} ${name}`;
    const did: Readonly<Record<Act, string>> = {
      read: `${verb('las', 'lasen')} ${what}`,
      create: `${verb('fügte', 'fügten')} ${what} hinzu`,
      change: `${verb('änderte', 'änderten')} ${what}`,
      remove: `${verb('löschte', 'löschten')} ${what}`,
      refused: `${verb('fragte', 'fragten')} ${times} nach Ihren Einträgen${kind === undefined ? '' : ` (${kind})`} und bekam nichts zu sehen`,
      failed: `${verb('fragte', 'fragten')} ${times}, was fehlschlug`,
      emergency: `${verb('öffnete', 'öffneten')} Ihre Akte in einem Notfall`,
      login: `${verb('meldete sich', 'meldeten sich')} ${times} an`,
      'login-failed': `${verb('versuchte', 'versuchten')} ${times} vergeblich, sich als Sie anzumelden`,
      logout: `${verb('meldete sich', 'meldeten sich')} ab`,
      'emergency-end': `${verb('schloss', 'schlossen')} Ihre Akte wieder`,
      'consent-request': `${verb('bat', 'baten')} um Ihre Einwilligung`,
      'consent-decline': `${verb('lehnte', 'lehnten')} eine Bitte um Einwilligung ab`,
      message: `${verb('sah', 'sahen')} ${times} in die Nachricht eines Krankenhauses über Sie, um ihre Verarbeitung zu berichtigen`,
      other: `${verb('benutzte', 'benutzten')} ${times} den Hub`,
    };
    return `Am ${day} ${did[act]}${why === undefined ? '' : ` (Zweck: ${why})`}${basis === undefined ? '' : `, ${basis}`}.`;
  },
  types: {
    Consent: 'Einwilligungen',
    AuditEvent: 'diese Liste',
    Binary: 'Dateien',
    List: 'Listen',
    Group: 'Gruppen',
    Provenance: 'Herkunft von Einträgen',
    Subscription: 'Abonnements',
  },
  byConsent: (day) =>
    day === undefined ? 'erlaubt durch eine Einwilligung von Ihnen' : `erlaubt durch Ihre Einwilligung vom ${day}`,
  bySource: 'von dort stammen diese Einträge',
  byProxy: 'in Ihrem Namen',
  forReason: (reason) => (reason === undefined ? undefined : `mit der Begründung „${reason}“`),
  byEmergency: (reason) => `im Notfall ohne Ihre Einwilligung${reason === undefined ? '' : ` (${reason})`}`,
};

const zh: AccessWords = {
  sentence: ({ day, who = '您', act, count, kind, why, basis }) => {
    const what = `${count}条记录${kind === undefined ? '' : `（${kind}）`}`;
    const did: Readonly<Record<Act, string>> = {
      read: `查看了${what}`,
      create: `新增了${what}`,
      change: `修改了${what}`,
      remove: `删除了${what}`,
      refused: `${count}次请求您的记录${kind === undefined ? '' : `（${kind}）`}，未获得任何内容`,
      failed: `${count}次请求失败`,
      emergency: '在紧急情况下打开了您的档案',
      login: `登录了${count}次`,
      'login-failed': `${count}次尝试以您的身份登录，被拒绝`,
      logout: '退出了登录',
      'emergency-end': '重新关闭了您的档案',
      'consent-request': '请求您的同意',
      'consent-decline': '拒绝了一项同意请求',
      message: `为修复消息处理，${count}次查看了医院发来的关于您的消息`,
      other: `使用了系统${count}次`,
    };
    return `${day}，${who}${why === undefined ? '' : `为${why}`}${did[act]}${basis === undefined ? '' : `，${basis}`}。`;
  },
  types: {
    Consent: '同意',
    AuditEvent: '访问日志',
    Binary: '文件',
    List: '列表',
    Group: '群组',
    Provenance: '记录来源',
    Subscription: '订阅',
  },
  byConsent: (day) => (day === undefined ? '依据您的一份同意' : `依据您${day}的同意`),
  bySource: '这些记录由其写入',
  byProxy: '代您操作',
  forReason: (reason) => (reason === undefined ? undefined : `理由：“${reason}”`),
  byEmergency: (reason) => `紧急情况，未经您的同意${reason === undefined ? '' : `（${reason}）`}`,
};

export const accessWords: Readonly<Record<Language, AccessWords>> = { zh, en, de };
