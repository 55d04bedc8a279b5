import { copyFileSync, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';

import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const out = resolve(import.meta.dirname, '../src/medmip/web/static');

/** The API's own page needs Swagger UI as plain files beside it. */
function swaggerFiles(): Plugin {
  return {
    name: 'swagger-files',
    closeBundle() {
      mkdirSync(resolve(out, 'swagger'), { recursive: true });
      for (const file of ['swagger-ui-bundle.js', 'swagger-ui.css']) {
        copyFileSync(
          resolve(import.meta.dirname, 'node_modules/swagger-ui-dist', file),
          resolve(out, 'swagger', file),
        );
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), swaggerFiles()],
  build: { outDir: out, emptyOutDir: true, chunkSizeWarningLimit: 1200 },
  // Pages of the documentation are shown in the portal.
  server: { fs: { allow: ['..'] }, proxy: { '/api': 'http://127.0.0.1:8080' } },
});
