import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [react()],
  // Pages of the documentation are shown in the portal.
  server: { fs: { allow: ['..'] } },
  test: { environment: 'jsdom', setupFiles: ['src/test-setup.ts'] },
});
