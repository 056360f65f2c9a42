import type { DocumentPart, MediaSource } from './chat.ts';

/** Plain text that came as base64; undefined if the type is not text or the bytes are not. */
export function base64Text(source: { mediaType: string; data: string }): string | undefined {
  if (!/^(text\/|application\/(json|xml|yaml|x-yaml|javascript)\b)/.test(source.mediaType)) return undefined;
  try {
    const bytes = Uint8Array.from(atob(source.data), (character) => character.charCodeAt(0));
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** `data:` URL → its parts; any other URL stays one. */
export function sourceOfUrl(url: string): MediaSource {
  const match = /^data:([^;,]*)(?:;[^;,]*)*?;base64,/i.exec(url);
  if (match === null) return { kind: 'url', url };
  return { kind: 'base64', mediaType: (match[1] ?? '').toLowerCase() || 'application/octet-stream', data: url.slice(match[0].length) };
}

export function dataUrl(source: { mediaType: string; data: string }): string {
  return `data:${source.mediaType};base64,${source.data}`;
}

const mediaTypes: Record<string, string> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  heic: 'image/heic',
  pdf: 'application/pdf',
  txt: 'text/plain',
  mp3: 'audio/mp3',
  wav: 'audio/wav',
};

/** The type that a URL's ending stands for, else `otherwise`: Gemini must be told one, and nothing is fetched here. */
export function mediaTypeOfUrl(url: string, otherwise: string): string {
  const ending = /\.([a-z0-9]+)(?:[?#]|$)/i.exec(url)?.[1]?.toLowerCase();
  return (ending === undefined ? undefined : mediaTypes[ending]) ?? otherwise;
}

/** A text document as a text to put between others. */
export function inlineDocument(part: DocumentPart, text: string): string {
  return part.name === undefined ? text : `<document name="${part.name.replaceAll('"', "'")}">\n${text}\n</document>`;
}
