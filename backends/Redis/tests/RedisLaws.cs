using Millrace.Testing;
using Millrace.Testing.Locks;
using Millrace.Testing.State;

namespace Millrace.Redis.Tests;

public sealed class RedisBackendLaws : BackendConformance<RedisFixture>;

public sealed class RedisLockLaws : LockConformance<RedisFixture>;

public sealed class RedisStateLaws : StateConformance<RedisFixture>;
