/**
 * Every text of the page, in each of its languages.
 *
 * @type {Record<string, {en: string, zh: string}>}
 */
export const strings = {
  title: { en: "qwen-ocr: read documents", zh: "qwen-ocr：识别文档" },
  docs: { en: "API", zh: "API" },
  key: { en: "Key", zh: "密钥" },
  otherLanguage: { en: "中文", zh: "English" },
  switchLanguage: { en: "切换到中文", zh: "Switch to English" },
  close: { en: "Close", zh: "关闭" },

  dropTitle: { en: "Drop documents here", zh: "把文档拖到这里" },
  pickTitle: { en: "Documents to read", zh: "选择要识别的文档" },
  startHint: {
    en: "PDFs, scans and photos, TIFFs: one or many, of any length",
    zh: "PDF、扫描件、照片、TIFF：一个或多个，长度不限",
  },
  dropHint: { en: "or paste a picture", zh: "也可以粘贴图片" },
  privacy: {
    en: "Documents stay in this browser. Only the pages that are read go to this server; of TIFFs, all of them.",
    zh: "文档保存在本浏览器中，只有要识别的页面会发送到此服务器；TIFF 文件会整个发送。",
  },
  choose: { en: "Choose files", zh: "选择文件" },
  chooseFolder: { en: "Choose a folder", zh: "选择文件夹" },
  add: { en: "Add", zh: "添加" },
  clear: { en: "Clear", zh: "清空" },
  removeAllTitle: { en: "Remove all documents from this browser?", zh: "从本浏览器移除所有文档？" },
  removeTitle: { en: "Remove {name} from this browser?", zh: "从本浏览器移除 {name}？" },
  removeText: {
    en: "The text that was read goes with it, and so do your corrections. Files on your disk stay as they are.",
    zh: "识别出的文字和你的修改会一并移除。磁盘上的文件不受影响。",
  },
  removeIt: { en: "Remove", zh: "移除" },
  remove: { en: "Remove {name}", zh: "移除 {name}" },
  opening: { en: "Opening…", zh: "正在打开……" },
  progress: { en: "{done} of {count} pages read", zh: "已识别 {done} / {count} 页" },
  busyNow: {
    en: "{done} of {count} pages read: the server is busy, and is asked again",
    zh: "已识别 {done} / {count} 页：服务器繁忙，稍后自动重试",
  },
  readAll: { en: "Read all ({count})", zh: "全部识别（{count}）" },
  pages: { en: "Pages", zh: "页面" },
  page: { en: "Page {page}", zh: "第 {page} 页" },
  pageOf: { en: "{page} of {count}", zh: "{page} / {count}" },
  previousPage: { en: "Previous page", zh: "上一页" },
  nextPage: { en: "Next page", zh: "下一页" },
  views: { en: "Views of the page", zh: "页面视图" },

  "state.waiting": { en: "Not read yet", zh: "尚未识别" },
  "state.reading": { en: "Reading…", zh: "正在识别……" },
  "state.read": { en: "Read", zh: "已识别" },
  "state.doubtful": { en: "Doubtful", zh: "结果可疑" },
  "state.failed": { en: "Not readable", zh: "无法识别" },
  stateAndConfidence: { en: "{state}, {confidence} sure", zh: "{state}，置信度 {confidence}" },

  photo: { en: "Take a photo", zh: "拍照" },

  preset: { en: "What to ask for", zh: "要什么" },
  prompt: { en: "Your question or instruction", zh: "你的问题或要求" },
  promptHint: {
    en: "For example: Which amount is due, and when?",
    zh: "例如：应付金额是多少？什么时候到期？",
  },
  askGo: { en: "Ask", zh: "提问" },
  "preset.own": { en: "A question of my own", zh: "自己的问题" },
  "preset.TEXT": { en: "All text", zh: "全部文字" },
  "preset.MARKDOWN": { en: "Page as Markdown", zh: "整页转 Markdown" },
  "preset.HTML": { en: "Page as HTML", zh: "整页转 HTML" },
  "preset.TABLE": { en: "Table as HTML", zh: "表格转 HTML" },
  "preset.FORMULA": { en: "Formula as LaTeX", zh: "公式转 LaTeX" },
  "preset.SPOT": { en: "Lines with their places", zh: "文字行及位置" },
  read: { en: "Read this page", zh: "识别此页" },
  readAgain: { en: "Read again", zh: "重新识别" },
  stop: { en: "Stop", zh: "停止" },

  text: { en: "Text", zh: "文字" },
  fields: { en: "Fields", zh: "字段" },
  ask: { en: "Ask", zh: "提问" },
  code: { en: "Code", zh: "代码" },
  copy: { en: "Copy", zh: "复制" },
  downloadPage: { en: "Page as .md", zh: "本页 .md" },
  downloadDocument: { en: "All as .md", zh: "全文 .md" },
  pagesMissing: { en: "{count} pages are not read yet", zh: "还有 {count} 页尚未识别" },
  copied: { en: "Copied", zh: "已复制" },
  codeHint: {
    en: "The same call from your own program. A key, if the server asks for one, comes from the environment.",
    zh: "在你自己的程序里做同样的调用。如果服务器需要密钥，会从环境变量读取。",
  },
  codePython: { en: "Python client", zh: "Python 客户端" },

  reading: { en: "Reading…", zh: "正在识别……" },
  "finish.stop": { en: "Finished", zh: "已完成" },
  "finish.length": {
    en: "Cut off: the model's context was full before the text ended",
    zh: "被截断：文字还没结束，模型的上下文已满",
  },
  "finish.repetition": {
    en: "Stopped: it began to repeat itself",
    zh: "已停止：模型开始重复自己",
  },
  "warning.low_confidence": {
    en: "The model is not sure of this text: compare it with the page. A sharper scan or a larger model helps.",
    zh: "模型对这段文字没有把握：请对照页面检查。更清晰的扫描件或更大的模型会有帮助。",
  },
  "warning.no_text": {
    en: "No text was found: the page is empty, or its text is too small, too faint, or in a script that the model does not know.",
    zh: "没有发现文字：页面可能是空白，或文字太小、太淡，或是模型不认识的文字。",
  },
  "warning.cut_off": {
    en: "Somewhere on this page the model went on without end and was cut off there: compare the text with the page.",
    zh: "模型在页面某处不停地重复输出，该处已被截断：请对照页面检查文字。",
  },
  "warning.turned": {
    en: "The model says that the page is not upright: turn the picture and add it again.",
    zh: "模型认为页面没有摆正：请把图片转正后重新添加。",
  },
  "warning.not_understood": {
    en: "The answer is not in the form that the model was taught, and is shown as it came.",
    zh: "应答不是模型学过的格式，按原样显示。",
  },
  "finish.stopped": { en: "Stopped by you", zh: "你已停止" },
  "finish.failed": { en: "Broken off by an error", zh: "因错误中断" },

  keyTitle: { en: "This server asks for a key", zh: "此服务器需要密钥" },
  keyLabel: { en: "Key", zh: "密钥" },
  keyHint: {
    en: "It is kept until you close this tab, and sent to this server alone.",
    zh: "密钥只保存到关闭此标签页为止，且只发送给此服务器。",
  },
  keyRefused: { en: "The server does not accept that key.", zh: "服务器不接受该密钥。" },
  keyUse: { en: "Use it", zh: "使用" },
  keyForget: { en: "Forget it", zh: "清除" },
  cancel: { en: "Cancel", zh: "取消" },

  requestId: { en: "Request id", zh: "请求编号" },
  keyNeeded: { en: "The server asks for a key", zh: "服务器需要密钥" },
  refused: { en: "The server refused this", zh: "服务器拒绝了请求" },
  tooLarge: { en: "Too large for this server", zh: "超出此服务器的大小限制" },
  busy: { en: "The server is busy; try again in a moment", zh: "服务器繁忙，请稍后再试" },
  failed: { en: "The server failed", zh: "服务器出错" },
  unreachable: {
    en: "The server does not answer. Is it still running, and is this device online?",
    zh: "服务器没有响应。它还在运行吗？本机联网吗？",
  },
  cutConnection: {
    en: "The connection broke in the middle of the answer",
    zh: "应答途中连接断开",
  },
  tooThin: {
    en: "{width} × {height} pixels is too long and thin: cut it into parts of at most {ratio} to 1",
    zh: "{width} × {height} 像素过于狭长：请切成不超过 {ratio}:1 的几部分",
  },
  textFile: {
    en: "{name} is text already: open it in any editor. Here, pages are read: PDFs, scans, photos.",
    zh: "{name} 本身就是文字，用任何编辑器都能打开。这里识别的是页面：PDF、扫描件、照片。",
  },
  officeFile: {
    en: "{name} is an Office document: save it as PDF there, then add the PDF.",
    zh: "{name} 是 Office 文档：请在 Office 中另存为 PDF，再添加 PDF。",
  },
  archiveFile: {
    en: "{name} is an archive: unpack it, then add what is in it, or the whole folder.",
    zh: "{name} 是压缩包：请先解压，再添加其中的文件或整个文件夹。",
  },
  heicFile: {
    en: "This browser cannot open {name}, a HEIC photo: save it as JPEG.",
    zh: "此浏览器无法打开 HEIC 照片 {name}：请另存为 JPEG。",
  },
  emptyFile: { en: "{name} is empty.", zh: "{name} 是空文件。" },
  unreadable: {
    en: "{name} is not a picture or PDF that can be opened: it may be damaged. Save it as PDF, JPEG or PNG.",
    zh: "无法打开 {name}：它不是图片或 PDF，或已损坏。请另存为 PDF、JPEG 或 PNG。",
  },
  fileTooLarge: {
    en: "{name} is too large: the server makes pictures of TIFF files of up to {size} MiB. Save it as PDF, which may have any size.",
    zh: "{name} 过大：服务器只处理不超过 {size} MiB 的 TIFF 文件。请另存为 PDF，PDF 大小不限。",
  },
  pdfBroken: {
    en: "{name} cannot be opened as a PDF; it may be damaged",
    zh: "无法打开 PDF 文件 {name}，它可能已损坏",
  },
  pdfLocked: {
    en: "{name} has a password; save a copy without one, then add that",
    zh: "{name} 设有密码，请另存一份不带密码的副本再添加",
  },
  pdfPage: { en: "Page {page} of the PDF cannot be shown", zh: "无法显示 PDF 的第 {page} 页" },
  pageFailed: { en: "This page could not be read", zh: "无法识别此页" },
  notKept: {
    en: "This browser has no room left: what is open now is lost when this tab is closed.",
    zh: "浏览器存储空间不足：关闭此标签页后，当前打开的内容会丢失。",
  },
  moreErrors: { en: "and {count} more files", zh: "以及另外 {count} 个文件" },
  noCanvas: {
    en: "This browser has no memory left for a picture of that size",
    zh: "浏览器内存不足，无法处理这么大的图片",
  },
  noFile: { en: "There is no file in what you gave.", zh: "没有找到文件。" },
  emptyPrompt: { en: "Write a question first.", zh: "请先写下问题。" },
  unexpected: { en: "This page failed", zh: "页面出错" },

  pagePicture: { en: "Picture of the page", zh: "页面图片" },
  pageText: { en: "Text of the page", zh: "页面文字" },
  pictureTools: { en: "Size of the picture", zh: "图片大小" },
  zoomIn: { en: "Larger", zh: "放大" },
  zoomOut: { en: "Smaller", zh: "缩小" },
  fitWidth: { en: "As wide as the window", zh: "适合宽度" },
  fitPage: { en: "The whole page", zh: "显示整页" },
  turn: { en: "Turn", zh: "旋转" },
  oneDoubt: { en: "1 doubtful word", zh: "1 处存疑" },
  doubts: { en: "{count} doubtful words", zh: "{count} 处存疑" },
  previousDoubt: { en: "Previous doubtful word", zh: "上一处存疑" },
  nextDoubt: { en: "Next doubtful word", zh: "下一处存疑" },
  sureOfWord: { en: "{confidence} sure", zh: "置信度 {confidence}" },
  correctedWord: { en: "Corrected. The model read: {read}", zh: "已修改。模型识别为：{read}" },
  confirmedWord: { en: "Confirmed by you", zh: "已由你确认" },
  correctWord: { en: "Correct {word}", zh: "修改 {word}" },
  correctFormula: { en: "Correct the formula", zh: "修改公式" },
  correctHint: {
    en: "To correct a word, double-click it, tap it twice, or press Enter on it. Enter keeps what you write, Escape does not.",
    zh: "要修改文字，请双击、轻点两次，或选中后按 Enter。Enter 保存，Escape 取消。",
  },
};
