/**
 * Every sentence that the management API says, in the languages it speaks. `{name}` stands for a parameter; for a problem
 * with a field these are `field`, `min` and `max`.
 */
export const languages = ['zh-CN', 'en'] as const;
export type Language = (typeof languages)[number];
export type TextParams = Readonly<Record<string, string | number>>;
type Row = Readonly<Record<Language, string>>;

const rows = {
  // What can be wrong with a field.
  required: { 'zh-CN': '请填写 {field}', en: '{field} must not be empty' },
  tooLong: { 'zh-CN': '{field} 最多 {max} 个字符', en: '{field} has at most {max} characters' },
  tooMany: { 'zh-CN': '{field} 最多 {max} 项', en: '{field} has at most {max} items' },
  notWhole: { 'zh-CN': '{field} 只接受整数', en: '{field} must be a whole number' },
  tooSmall: { 'zh-CN': '{field} 最小为 {min}', en: '{field} must be at least {min}' },
  tooBig: { 'zh-CN': '{field} 最大为 {max}', en: '{field} must be at most {max}' },
  notUrl: { 'zh-CN': '{field} 需要一个完整的 URL', en: '{field} must be a complete URL' },
  notTimeOfDay: { 'zh-CN': '{field} 需要形如 HH:mm 的时间', en: '{field} must be a time of day like HH:mm' },
  notDate: { 'zh-CN': '{field} 需要一个日期，例如 2030-12-31', en: '{field} must be a date such as 2030-12-31' },
  expiresInPast: { 'zh-CN': '到期时间要晚于现在', en: 'the expiry must lie in the future' },
  expiresTooFar: { 'zh-CN': '到期时间最多在十年之后', en: 'the expiry must lie within ten years' },
  emptyUpdate: { 'zh-CN': '没有给出要修改的字段', en: 'there is nothing to change' },
  notStorable: { 'zh-CN': '请求里有无法保存的字符', en: 'the request holds characters that cannot be stored' },

  // Users.
  userNotFound: { 'zh-CN': '没有这个用户', en: 'there is no such user' },
  permissionDenied: { 'zh-CN': '没有权限做这件事', en: 'you may not do this' },

  // Keys.
  keyNotFound: { 'zh-CN': '没有这个密钥', en: 'there is no such key' },
  notYourKey: { 'zh-CN': '这个密钥不属于您', en: 'this key is not yours' },
  keyNameTaken: { 'zh-CN': '已经有一个正在使用的密钥叫“{name}”，请换一个名称', en: 'an active key is already called "{name}"' },
  noDefaultGroupKey: {
    'zh-CN': '您没有属于 default 分组的密钥，因此不能在 default 分组新建密钥',
    en: 'none of your keys is in the group "default", so you may not add one to it',
  },
  groupsNotAllowed: { 'zh-CN': '您不在这些分组中：{groups}', en: 'you are not in these groups: {groups}' },
  groupsTooLong: {
    'zh-CN': '该用户全部密钥的分组合起来超过 {max} 个字符（{groups}）',
    en: 'the groups of all keys of this user together exceed {max} characters ({groups})',
  },
  keyLimitAboveUser: {
    'zh-CN': '密钥的{limit}为 {value}，高于用户的 {userValue}',
    en: "the key's {limit} of {value} is above the user's {userValue}",
  },
  limit5h: { 'zh-CN': '五小时限额', en: '5 hour limit' },
  limitDaily: { 'zh-CN': '每日限额', en: 'daily limit' },
  limitWeekly: { 'zh-CN': '每周限额', en: 'weekly limit' },
  limitMonthly: { 'zh-CN': '每月限额', en: 'monthly limit' },
  limitTotal: { 'zh-CN': '总限额', en: 'total limit' },
  limitConcurrent: { 'zh-CN': '并发会话数', en: 'number of concurrent sessions' },
  lastEnabledKey: {
    'zh-CN': '这是该用户最后一个启用的密钥，不能删除',
    en: 'this is the last enabled key of its user and cannot be removed',
  },
  lastKeyOfGroups: { 'zh-CN': '删除后您将不在任何分组中', en: 'without this key you would be in no group' },
  neverExpires: { 'zh-CN': '永不过期', en: 'never expires' },

  // Providers.
  providerNotFound: { 'zh-CN': '没有这个供应商', en: 'there is no such provider' },
  proxyUrlInvalid: {
    'zh-CN': '代理地址要以 http://、https://、socks5:// 或 socks4:// 开头',
    en: 'the proxy address must begin with http://, https://, socks5:// or socks4://',
  },
  upstreamUrlScheme: { 'zh-CN': '{field} 只能是 http 或 https 地址', en: '{field} must be an http or https address' },
  upstreamUrlPrivate: {
    'zh-CN': '{field} 指向内部地址 {host}；确实需要时请设置 ALLOW_PRIVATE_UPSTREAMS=1',
    en: '{field} points to the internal address {host}; if that is wanted, set ALLOW_PRIVATE_UPSTREAMS=1',
  },
  upstreamKeyMasked: {
    'zh-CN': '提交的是打了掩码的密钥；要保留原密钥请省略该字段',
    en: 'this key is masked; to keep the stored one leave the field out',
  },
  rollingFiveHours: { 'zh-CN': '按最近五小时滚动计算', en: 'rolling over the last 5 hours' },

  // What the data planes share.
  liveStateUnreachable: {
    'zh-CN': 'Redis 暂时没有应答，因此没有做任何更改，请稍后重试',
    en: 'Redis does not answer at the moment, so nothing was changed; please try again',
  },
  sessionNotFound: { 'zh-CN': '没有这个活跃会话', en: 'there is no such active session' },

  // Statistics.
  otherUsers: { 'zh-CN': '其他用户', en: 'other users' },

  // Settings.
  logInFirst: { 'zh-CN': '请先登录', en: 'log in first' },
  settingsNotJson: { 'zh-CN': '请求体不是有效的 JSON', en: 'the body is not JSON' },
  settingsFailed: { 'zh-CN': '暂时无法读取或保存设置，请重试', en: 'the settings could not be read or stored, please try again' },

  // Prices.
  pricesNotJson: { 'zh-CN': '价格表不是有效的 JSON', en: 'the price table is not valid JSON' },
  pricesNotObject: { 'zh-CN': '价格表的最外层要是一个对象', en: 'the price table must be a JSON object' },

  // Logging in.
  loginKeyMissing: { 'zh-CN': '请提供 API Key', en: 'an API key is needed' },
  loginKeyInvalid: { 'zh-CN': 'API Key 不正确或不再有效', en: 'the API key is wrong or no longer valid' },
  loginFailed: { 'zh-CN': '暂时无法登录，请重试', en: 'could not log in, please try again' },
  loginTooOften: { 'zh-CN': '失败次数过多，请在 {seconds} 秒后再试', en: 'too many failures, try again in {seconds} seconds' },

  // Everything.
  internalError: { 'zh-CN': '服务器出错了', en: 'something went wrong on the server' },
  bodyTooLarge: { 'zh-CN': '请求体超过 {max} 字节', en: 'the request body exceeds {max} bytes' },
  bodyUnreadable: { 'zh-CN': '无法读取请求体', en: 'the request body could not be read' },
} as const satisfies Record<string, Row>;

export type TextKey = keyof typeof rows;

export function isTextKey(value: string): value is TextKey {
  return Object.hasOwn(rows, value);
}

/** A parameter that is not given leaves nothing behind rather than its placeholder. */
export function say(language: Language, key: TextKey, params: TextParams = {}): string {
  return rows[key][language].replace(/\{(\w+)\}/g, (_, name: string) => String(params[name] ?? ''));
}

/**
 * These three are compared by scripts, so they are v0.3.42's, in every language.
 */
export const authTexts = {
  missing: '未认证',
  invalid: '认证无效或已过期',
  forbidden: '权限不足',
} as const;
