/** What a researcher reads beside the text and the code that a result can be published with. */
export const writeUpTexts = {
  results: 'Results',
  title: 'Methods and code',
  tabs: 'Parts of the experiment',
  methods: 'Methods',
  methodsHint: 'A paragraph for a paper; change it as you like.',
  references: 'References',
  code: 'The same request as code',
  codeHint: 'HTTP and Python from anywhere, the others on the server; what needs a token reads it from MIP_TOKEN.',
  languages: { curl: 'HTTP', shell: 'Shell', client: 'Python', python: 'Python on the server' },
  copy: 'Copy',
  copied: 'Copied',
  copyOf: (what: string) => `Copy: ${what}`,
  copiedOf: (what: string) => `Copied: ${what}`,
  report: 'Download report',
  reportPdf: 'Report as PDF',
  reportHint: 'Methods, tables, charts, disclosure and code in one file, to print, read and keep.',
};
