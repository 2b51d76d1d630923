/**
 * What the log calls that is done beside the record: by the code of the AuditEvent that is most its own.
 *
 * @typedef {typeof en} ActTexts
 */

const en = {
  110122: 'Signed in',
  110123: 'Signed out',
  'login-failed': 'Tried to sign in as you',
  'ITI-71': 'Began a visit',
  'token-revoke': 'Ended a visit',
  authorize: 'Allowed an app',
  'password-change': 'Changed the password',
  'recovery-codes': 'Made new recovery codes',
  enrol: 'Set up signing in',
  'account-invite': 'Invited you to sign in',
  'account-disable': 'Closed your sign-in',
  'account-reset': 'Reset your sign-in',
  'break-glass': 'Opened your record in an emergency',
  'break-glass-end': 'Closed your record again',
  'consent-request': 'Asked you for a permission',
  'consent-decline': 'Declined what was asked',
  erase: 'Asked for your record to be erased',
  'erase-cancel': 'Took the erasure back',
  'erase-lift': 'Allowed that records are kept again',
  'erase-begin': 'Began to erase your record',
  'erase-order': 'Ordered that your record is erased',
  throttled: 'Asked too much, and has to wait',
  'ops-content': 'Looked into a message of a hospital about you, to mend how it is read',
  other: 'Used the hub',
};

/** @type {ActTexts} */
const zh = {
  110122: '登录',
  110123: '退出登录',
  'login-failed': '尝试以您的身份登录',
  'ITI-71': '开始访问',
  'token-revoke': '结束访问',
  authorize: '授权了一个应用',
  'password-change': '修改密码',
  'recovery-codes': '生成新的恢复码',
  enrol: '设置登录方式',
  'account-invite': '邀请您登录',
  'account-disable': '停用您的登录',
  'account-reset': '重置您的登录',
  'break-glass': '在紧急情况下打开了您的档案',
  'break-glass-end': '重新关闭了您的档案',
  'consent-request': '请求您的授权',
  'consent-decline': '拒绝了一项请求',
  erase: '请求删除您的档案',
  'erase-cancel': '撤回了删除',
  'erase-lift': '允许重新保存记录',
  'erase-begin': '开始删除您的档案',
  'erase-order': '下令删除您的档案',
  throttled: '请求过多，须等待',
  'ops-content': '为修复消息处理，查看了医院发来的关于您的消息',
  other: '使用了系统',
};

/** @type {ActTexts} */
const de = {
  110122: 'Angemeldet',
  110123: 'Abgemeldet',
  'login-failed': 'Wollte sich als Sie anmelden',
  'ITI-71': 'Besuch begonnen',
  'token-revoke': 'Besuch beendet',
  authorize: 'Eine App zugelassen',
  'password-change': 'Passwort geändert',
  'recovery-codes': 'Neue Wiederherstellungscodes erstellt',
  enrol: 'Anmeldung eingerichtet',
  'account-invite': 'Sie zur Anmeldung eingeladen',
  'account-disable': 'Ihre Anmeldung geschlossen',
  'account-reset': 'Ihre Anmeldung zurückgesetzt',
  'break-glass': 'Ihre Akte in einem Notfall geöffnet',
  'break-glass-end': 'Ihre Akte wieder geschlossen',
  'consent-request': 'Sie um eine Erlaubnis gebeten',
  'consent-decline': 'Eine Anfrage abgelehnt',
  erase: 'Löschung Ihrer Akte verlangt',
  'erase-cancel': 'Die Löschung zurückgenommen',
  'erase-lift': 'Erlaubt, dass wieder Daten aufbewahrt werden',
  'erase-begin': 'Begonnen, Ihre Akte zu löschen',
  'erase-order': 'Die Löschung Ihrer Akte angeordnet',
  throttled: 'Zu viel gefragt und muss warten',
  'ops-content': 'In die Nachricht eines Krankenhauses über Sie gesehen, um ihre Verarbeitung zu berichtigen',
  other: 'Den Hub benutzt',
};

/** @type {Record<import('./services.js').Language, ActTexts>} */
export const actTexts = { zh, en, de };
