const bullets = '••••••';

/** A secret as the API shows it: the first and last four characters, or nothing of a short one. */
export function maskKey(key: string): string {
  return key.length <= 8 ? bullets : `${key.slice(0, 4)}${bullets}${key.slice(-4)}`;
}

export function looksMasked(key: string): boolean {
  return key.includes(bullets);
}

/** A URL for eyes and records: a user name and password in it are left out. */
export function withoutCredentials(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1');
}
