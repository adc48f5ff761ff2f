using Millrace.Testing;
using Millrace.Testing.Channels;
using Millrace.Testing.Locks;
using Millrace.Testing.State;
using Millrace.Testing.Streams;

namespace Millrace.Redis.Tests;

public sealed class RedisBackendLaws : BackendConformance<RedisFixture>;

public sealed class RedisStreamLaws : StreamConformance<RedisFixture>;

public sealed class RedisChannelLaws : ChannelConformance<RedisFixture>;

public sealed class RedisLockLaws : LockConformance<RedisFixture>;

public sealed class RedisStateLaws : StateConformance<RedisFixture>;
