using Millrace.Testing;
using Millrace.Testing.Streams;

namespace Millrace.Tests.Storage.FileLog;

public sealed class FileBackendLaws : BackendConformance<FileFixture>;

public sealed class FileStreamLaws : StreamConformance<FileFixture>;

public sealed class FileStreamLawsForProcesses : StreamConformance<FileFixtureForProcesses>;
