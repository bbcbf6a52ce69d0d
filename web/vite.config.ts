import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'
import { licenses } from './licenses.ts'

const shipped = ['react', 'react-dom', 'scheduler', '@tanstack/react-virtual', '@tanstack/virtual-core', 'uplot', '@fontsource-variable/inter']

const browser = { environment: 'node', testTimeout: 60_000, hookTimeout: 120_000, globalSetup: 'e2e/browser.ts', setupFiles: 'e2e/hooks.ts' } as const
const real = 'e2e/real.test.ts'

export default defineConfig({
  plugins: [react(), licenses(shipped)],
  build: {
    target: 'es2022',
    // Inlined assets would need data: in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The size is held against its bound by hack/web.sh, compressed.
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
  },
  test: {
    maxWorkers: 2,
    projects: [
      { test: { name: 'unit', include: ['src/**/*.test.ts'], environment: 'node' } },
      { test: { ...browser, name: 'browser', include: ['e2e/**/*.test.ts'], exclude: [real] } },
      { test: { ...browser, name: 'real', include: [real] } },
    ],
  },
})
