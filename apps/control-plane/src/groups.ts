/** Provider groups as users and keys carry them: names joined by commas. */

/** No group means this one. */
export const defaultGroup = 'default';
/** The group that is every group. */
export const anyGroup = '*';
/** Width of users.provider_group and keys.provider_group, characters. */
export const groupsMaxLength = 50;

export function splitGroups(groups: string | null | undefined): string[] {
  const names = (groups ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return names.length === 0 ? [defaultGroup] : [...new Set(names)];
}

/** Trimmed, each name once, sorted; nothing left is the default group. */
export function normaliseGroups(groups: string | null | undefined): string {
  return splitGroups(groups).sort().join(',');
}

/** What a user is in, given the groups of the keys. */
export function unionOfGroups(groups: readonly (string | null)[]): string {
  return normaliseGroups(groups.flatMap(splitGroups).join(','));
}
