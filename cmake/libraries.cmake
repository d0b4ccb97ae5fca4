# Outside libraries, one interface target each (pkg_<name>), with the reason for odd ones beside it.
find_package(PkgConfig REQUIRED)

function(cv_package name)
	pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${ARGN})
	add_library(pkg_${name} INTERFACE)
	target_link_libraries(pkg_${name} INTERFACE PkgConfig::${name})
endfunction()

# LIB has no usable pkg-config file: look for HEADER and the library by name.
function(cv_plain name header)
	find_path(${name}_INCLUDE ${header} REQUIRED)
	add_library(pkg_${name} INTERFACE)
	foreach(lib ${ARGN})
		find_library(${name}_${lib}_LIBRARY ${lib} REQUIRED)
		target_link_libraries(pkg_${name} INTERFACE ${${name}_${lib}_LIBRARY})
	endforeach()
endfunction()

cv_package(openssl openssl)
cv_package(jansson jansson)
cv_package(idn2 libidn2)
cv_package(argon2 libargon2)
cv_package(zstd libzstd)
cv_package(seccomp libseccomp)
cv_package(zlib zlib)
cv_package(opendkim opendkim)
cv_package(psl libpsl)
cv_package(expat expat)
cv_package(curl libcurl)
cv_package(cmocka cmocka)
cv_plain(db db.h db-5.3)
cv_plain(unistring unistr.h unistring)
cv_plain(spf2 spf2/spf.h spf2)
cv_plain(milter libmilter/mfapi.h milter)
cv_plain(unbound unbound.h unbound) # its pkg-config file asks for libevent, which it does not need
cv_plain(etpan libetpan/libetpan.h etpan) # its pkg-config file forces a no-PIE link
cv_plain(math math.h m)
