// What this page uses of marked.
export interface Token {
  type: string;
  raw: string;
  [key: string]: unknown;
}

export interface Extension {
  name: string;
  level: "block" | "inline";
  start(source: string): number | undefined;
  tokenizer(source: string): Token | undefined;
  renderer(token: Token): string;
}

export class Marked {
  constructor(options: {
    gfm: boolean;
    extensions: Extension[];
    renderer: {
      html(token: { text: string }): string;
      image(token: { href: string; text: string }): string;
    };
  });
  parse(source: string, options: { async: false }): string;
}
