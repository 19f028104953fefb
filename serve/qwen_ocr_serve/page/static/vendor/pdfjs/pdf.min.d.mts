// What this page uses of pdf.js; its own declarations need the sources of the whole package.
export const GlobalWorkerOptions: { workerSrc: string };

export class PDFDataRangeTransport {
  constructor(length: number, initialData: Uint8Array | null);
  requestDataRange(begin: number, end: number): void;
  onDataRange(begin: number, chunk: Uint8Array): void;
}

export class PDFWorker {
  constructor(options: { verbosity: number });
}

export interface Viewport {
  width: number;
  height: number;
}

export interface RenderTask {
  promise: Promise<void>;
  cancel(): void;
}

export interface PDFPage {
  getViewport(options: { scale: number }): Viewport;
  render(options: {
    canvas: HTMLCanvasElement;
    viewport: Viewport;
    intent?: "display" | "print";
    background?: string;
  }): RenderTask;
  cleanup(): void;
}

export interface PDFDocument {
  numPages: number;
  getPage(number: number): Promise<PDFPage>;
}

export interface LoadingTask {
  promise: Promise<PDFDocument>;
  destroy(): Promise<void>;
  onPassword: ((update: (password: string | Error) => void, reason: number) => void) | null;
}

export const PasswordResponses: { NEED_PASSWORD: number; INCORRECT_PASSWORD: number };

export function getDocument(options: {
  range: PDFDataRangeTransport;
  password?: string;
  worker: PDFWorker;
  disableAutoFetch: boolean;
  disableStream: boolean;
  cMapUrl: string;
  standardFontDataUrl: string;
  wasmUrl: string;
  verbosity: number;
}): LoadingTask;
