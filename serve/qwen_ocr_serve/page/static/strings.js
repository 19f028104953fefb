/**
 * Every text of the page, in each of its languages.
 *
 * @type {Record<string, {en: string, zh: string}>}
 */
export const strings = {
  title: { en: "qwen-ocr: read a page", zh: "qwen-ocr：识别图片文字" },
  docs: { en: "API", zh: "接口文档" },
  key: { en: "Key", zh: "密钥" },
  otherLanguage: { en: "中文", zh: "English" },
  switchLanguage: { en: "切换到中文", zh: "Switch to English" },

  picture: { en: "Picture", zh: "图片" },
  dropTitle: { en: "Drop a picture or a PDF here", zh: "把图片或 PDF 拖到这里" },
  dropHint: { en: "or paste one with Ctrl+V", zh: "或用 Ctrl+V 粘贴" },
  pickTitle: { en: "A picture or a PDF to read", zh: "选择要识别的图片或 PDF" },
  choose: { en: "Choose a file", zh: "选择文件" },
  chooseOther: { en: "Another file", zh: "换一个文件" },
  photo: { en: "Take a photo", zh: "拍照" },
  pages: { en: "Pages", zh: "页面" },
  page: { en: "Page {page}", zh: "第 {page} 页" },
  pictureAlt: { en: "The picture to read: {name}", zh: "要识别的图片：{name}" },


  preset: { en: "What to read", zh: "识别什么" },
  prompt: { en: "Prompt", zh: "提示词" },
  "preset.TEXT": { en: "All text", zh: "全部文字" },
  "preset.MARKDOWN": { en: "Page as Markdown", zh: "整页转 Markdown" },
  "preset.HTML": { en: "Page as HTML", zh: "整页转 HTML" },
  "preset.TABLE": { en: "Table as HTML", zh: "表格转 HTML" },
  "preset.FORMULA": { en: "Formula as LaTeX", zh: "公式转 LaTeX" },
  "preset.SPOT": { en: "Lines with their places", zh: "文字行及位置" },
  "preset.own": { en: "My own prompt", zh: "自定义提示词" },
  plainTextOnly: {
    en: "The bundled model reads plain printed text only. For this, serve a larger model.",
    zh: "内置模型只能识别普通印刷文字。要用此功能，请部署更大的模型。",
  },
  read: { en: "Read", zh: "识别" },
  readAgain: { en: "Read again", zh: "重新识别" },
  stop: { en: "Stop", zh: "停止" },

  text: { en: "Text", zh: "文字" },
  code: { en: "Code", zh: "代码" },
  textEmpty: {
    en: "The text appears here as the model reads it.",
    zh: "识别出的文字会实时显示在这里。",
  },
  nothingRead: { en: "The model found no text.", zh: "模型没有发现文字。" },
  tint: { en: "Mark doubtful words", zh: "标出可疑字词" },
  legend: { en: "How sure the model is of a word", zh: "模型对字词的把握" },
  legendMid: { en: "less sure, under 90%", zh: "不太确定，低于 90%" },
  legendLow: { en: "doubtful, under 50%", zh: "可疑，低于 50%" },
  copy: { en: "Copy", zh: "复制" },
  copied: { en: "Copied", zh: "已复制" },
  download: { en: "Download .txt", zh: "下载 .txt" },
  codeHint: {
    en: "The same call from your own program. A key, if the server asks for one, comes from the environment.",
    zh: "在你自己的程序里做同样的调用。如果服务器需要密钥，会从环境变量读取。",
  },
  codePython: { en: "Python client", zh: "Python 客户端" },

  tokens: { en: "Tokens", zh: "词元" },
  tokensValue: { en: "{read} in, {written} out", zh: "输入 {read}，输出 {written}" },
  tokensWritten: { en: "{written} out", zh: "输出 {written}" },
  firstToken: { en: "First token", zh: "首个词元" },
  total: { en: "Total", zh: "总用时" },
  confidence: { en: "Confidence", zh: "置信度" },
  seconds: { en: "{value} s", zh: "{value} 秒" },

  preparing: { en: "Opening the file…", zh: "正在打开文件……" },
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
    en: "Doubtful: the model is not sure of this text. Turn the picture upright if it is not, crop it to a block of text, or serve a larger model",
    zh: "结果可疑：模型对这段文字没有把握。请把图片转正、裁剪到一块文字，或部署更大的模型",
  },
  "warning.no_text": {
    en: "No text was found: if there is some, it is too small, too faint, or in a script that the model does not know",
    zh: "没有发现文字：如果图中有文字，可能太小、太淡，或是模型不认识的文字",
  },
  "warning.cut_off": {
    en: "Doubtful: somewhere on this page the model went on without end and was cut off there. Compare the text with the page",
    zh: "结果可疑：模型在页面某处不停地重复输出，该处已被截断。请对照页面检查文字",
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
  unreadable: {
    en: "This browser cannot open {name} as a picture. Save it as JPEG, PNG or WebP; the Python client reads TIFF and JPEG 2000, too.",
    zh: "此浏览器无法把 {name} 作为图片打开。请另存为 JPEG、PNG 或 WebP；Python 客户端还支持 TIFF 和 JPEG 2000。",
  },
  tooThin: {
    en: "{width} × {height} pixels is too long and thin: cut it into parts of at most {ratio} to 1",
    zh: "{width} × {height} 像素过于狭长：请切成不超过 {ratio}:1 的几部分",
  },
  pdfTooLarge: {
    en: "A PDF may have {size} MiB here. Divide a larger one, or let the server take more: --max-body-mib",
    zh: "此处 PDF 最大 {size} MiB。更大的文件请拆分，或用 --max-body-mib 提高服务器上限",
  },
  noCanvas: {
    en: "This browser has no memory left for a picture of that size",
    zh: "浏览器内存不足，无法处理这么大的图片",
  },
  noFile: { en: "There is no picture in what you gave", zh: "没有找到图片" },
  emptyPrompt: { en: "Say what to read: the prompt is empty", zh: "提示词为空：请说明要识别什么" },
  noPicture: { en: "Choose a picture first", zh: "请先选择图片" },
  unexpected: { en: "This page failed", zh: "页面出错" },
};
