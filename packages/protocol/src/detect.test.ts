import { describe, expect, it } from 'vitest';
import { bytesOf } from '../test/samples.ts';
import { classifyBody } from './index.ts';
import type { BodyKind } from './index.ts';

describe('what a body is', () => {
  const cases: [BodyKind, string | undefined, string][] = [
    ['html', 'text/event-stream', '<!DOCTYPE html><html>'],
    ['html', 'application/json', '\r\n  <html lang="en">'],
    ['html', undefined, '<HEAD>'],
    ['html', 'text/html; charset=utf-8', '<custom-element>'],
    ['html', undefined, '\uFEFF<!-- error --><html>'],
    ['json', 'text/plain', '{"id":1}'],
    ['json', 'application/json', '\n[{"candidates":'],
    ['json', 'text/html', '{}'],
    ['json', 'application/json', '"text"'],
    ['json', 'application/problem+json', 'null'],
    ['sse', 'text/plain', 'data: {}'],
    ['sse', 'text/event-stream', 'event: message_start\n'],
    ['sse', undefined, ': keep-alive\n\n'],
    ['sse', 'application/json', 'id: 1'],
    ['sse', 'text/event-stream', 'da'],
    ['empty', 'application/json', ''],
    ['empty', 'text/event-stream', '\n\n \r\n'],
    ['empty', undefined, '\uFEFF'],
    ['other', 'text/event-stream', 'upstream error'],
    ['other', 'application/json', 'Internal Server Error'],
    ['other', undefined, 'da'],
    ['other', 'application/xml', '<?xml version="1.0"?><Error/>'],
  ];

  it.each(cases)('%s: %s %j', (kind, type, text) => {
    expect(classifyBody(type, bytesOf(text))).toBe(kind);
  });
});
