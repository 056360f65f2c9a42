import { expect, it } from 'vitest';
import { negotiateLanguage } from './language.ts';
import { say } from './texts.ts';

it.each([
  [undefined, undefined, 'zh-CN'],
  ['en', 'zh-CN', 'en'],
  ['zh-TW', 'en', 'zh-CN'],
  ['ja', 'en', 'en'],
  ['ja', undefined, 'zh-CN'],
  [undefined, 'en-US,en;q=0.9,zh-CN;q=0.8', 'en'],
  [undefined, 'zh;q=0.9, en;q=0.95', 'en'],
  [undefined, 'fr, en;q=0, zh-Hans', 'zh-CN'],
  [undefined, '*', 'zh-CN'],
  [undefined, ';;;,,q=', 'zh-CN'],
])('locale %s and accept-language %s give %s', (locale, acceptLanguage, language) => {
  expect(negotiateLanguage({ locale, acceptLanguage })).toBe(language);
});

it('fills in parameters and leaves no placeholder behind', () => {
  expect(say('en', 'tooBig', { field: 'rpm', max: 5 })).toBe('rpm must be at most 5');
  expect(say('en', 'tooBig', { field: 'rpm' })).not.toContain('{');
});
